import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { startTestNats } from '../testing/nats.ts'
import { findNatsServer } from './binary.ts'
import { isRunning } from './process.ts'
import { startNatsServer } from './server.ts'

const binary = () => findNatsServer({ env: process.env, say: console.error })
const folder = async () => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-server-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

test('a started server answers, and keeps data and port over a kill', async () => {
  await using nats = await startTestNats()
  const before = await connect({ servers: nats.url, reconnect: false })
  await (await jetstreamManager(before)).streams.add({ name: 'log', subjects: ['log'] })
  await jetstream(before).publish('log', 'kept')

  const [first, url] = [nats.pid, nats.url]
  await nats.kill()
  expect(isRunning(first)).toBe(false)
  await nats.restart()
  expect([nats.url, nats.pid === first]).toEqual([url, false])
  const after = await connect({ servers: nats.url })
  const stream = await (await jetstreamManager(after)).streams.get('log')
  expect((await stream.getMessage({ seq: 1 }))?.string()).toBe('kept')
  await after.close()
})

test('a taken port is refused with the words of the server, and nothing stays behind', async () => {
  await using dir = await folder()
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as { port: number }
  const start = startNatsServer({ binary: await binary(), dataDir: dir.path, port, env: process.env })
  await expect(start).rejects.toThrow(/nats-server did not start: .*address already in use/)
  holder.close()
})

const starter = fileURLToPath(new URL('./fixtures/start-and-wait.ts', import.meta.url))
/** A process that starts a server and stays. Without a PATH it finds no shell, and so has no watchdog. */
const startElsewhere = async (dir: string, env: NodeJS.ProcessEnv) => {
  const child = spawn(process.execPath, [starter, await binary(), dir], { stdio: ['ignore', 'pipe', 'inherit'], env })
  const [line] = await once(child.stdout!, 'data')
  return { child, pid: Number(line) }
}

test('a server that a crashed start left on the folder is ended before a new one begins', async () => {
  await using dir = await folder()
  const { child, pid } = await startElsewhere(dir.path, { PATH: '/nowhere' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(isRunning(pid)).toBe(true)

  const server = await startNatsServer({ binary: await binary(), dataDir: dir.path, port: 0, env: process.env })
  expect(isRunning(pid)).toBe(false)
  await server.stop()
})

test('a server ends when its starter is killed', async () => {
  await using dir = await folder()
  const { child, pid } = await startElsewhere(dir.path, process.env)
  expect(isRunning(pid)).toBe(true)
  child.kill('SIGKILL')
  await expect.poll(() => isRunning(pid), { timeout: 20_000 }).toBe(false)
})
