import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { loadConfig } from '#infra/config.ts'
import { commandOf, isRunning } from '#infra/nats/process.ts'
import { startProduct } from './start.ts'

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}.ts`, import.meta.url))
const SERVES = fixture('serves')

/** A start in a folder of its own, of which one kind of child is a fixture that does not behave. */
const startWith = async (mains: { gateway?: string; storage?: string }, { gateways = 1, canShare = true } = {}) => {
  const data = await mkdtemp(join(tmpdir(), 'millrace-compose-'))
  const flags = [
    '--port=0',
    '--grpc-port=0',
    '--nats-port=0',
    '--partitions=1',
    `--gateways=${gateways}`,
    '--processors=1',
  ]
  const config = loadConfig([`--data=${data}`, ...flags], {})
  const said: string[] = []
  const started = startProduct({
    config,
    mains: { gateway: SERVES, processor: SERVES, storage: SERVES, kafka: SERVES, demo: SERVES, ...mains },
    env: process.env,
    say: (line) => said.push(line),
    canShare: async () => canShare,
  })
  const failure = started.ready.then(
    () => 'it became ready',
    (error: Error) => error.message,
  )
  const pids = async (): Promise<Record<string, number>> =>
    JSON.parse(await readFile(join(data, 'processes.json'), 'utf8'))
  const dispose = async () => {
    await started.stop()
    await rm(data, { recursive: true, force: true })
  }
  const commands = async (name: string) => commandOf((await pids())[name])
  return { started, failure, said, pids, commands, [Symbol.asyncDispose]: dispose }
}

test('a stop while a child is still starting ends everything', async () => {
  await using it = await startWith({ gateway: fixture('silent') })
  await vi.waitFor(async () => expect(Object.keys(await it.pids())).toHaveLength(4), { timeout: 30_000 })
  const pids = Object.values(await it.pids())
  await it.started.stop()
  expect(await it.failure).toBe('stopped')
  expect([pids.filter(isRunning), await it.pids()]).toEqual([[], {}])
})

test('a child that cannot start ends the start, with its own words', async () => {
  await using it = await startWith({ storage: fixture('fails') })
  expect(await it.failure).toBe('storage did not start: exit code 1: RangeError: the cellar is full')
  expect(await it.pids()).toEqual({})
})

test('kill ends all at once', async () => {
  await using it = await startWith({})
  expect(await it.failure).toBe('it became ready')
  const pids = Object.values(await it.pids())
  it.started.kill()
  await expect.poll(() => pids.filter(isRunning), { timeout: 10_000 }).toEqual([])
  expect(it.said).toEqual([])
})

test('where the system shares no port each gateway has one of its own, and the terminal says so', async () => {
  await using it = await startWith({}, { gateways: 2, canShare: false })
  expect(await it.failure).toBe('it became ready')
  expect(it.said).toEqual([
    'this system shares no port between processes: each further gateway takes the next free one',
  ])
  const { commands } = it
  expect(await commands('gateway')).toContain('--share-port=false')
  expect(await commands('gateway-2')).toContain('--share-port=false')
})

test('gateways that share their ports are told so, and the others the ports of the first', async () => {
  await using it = await startWith({}, { gateways: 2 })
  expect(await it.failure).toBe('it became ready')
  expect(it.said).toEqual([])
  // The fixture says that it listens on port 1.
  for (const name of ['gateway', 'gateway-2']) expect(await it.commands(name)).toContain('--share-port=true')
  expect(await it.commands('gateway-2')).toContain('--port=1')
})
