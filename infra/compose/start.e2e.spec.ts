import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { isRunning } from '#infra/nats/process.ts'
import { ask } from '#infra/testing/graphql.ts'
import { startTestNats } from '#infra/testing/nats.ts'
import { startProduct, type TestProduct } from '#infra/testing/product.ts'

const folder = async () => {
  const path = await mkdtemp(join(tmpdir(), 'millrace-start-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** Sends one event and answers how many were accepted. */
const send = async ({ endpoints, keys }: TestProduct, id: string): Promise<number> => {
  const response = await fetch(endpoints.collector, {
    method: 'POST',
    headers: { authorization: `Bearer ${keys.writeKey}` },
    body: JSON.stringify({ id, name: 'page_view', sessionId: 's', properties: { path: '/' } }),
  })
  return ((await response.json()) as { accepted: number }).accepted
}

test('it starts, takes an event, stops in order, and starts again with its keys, partitions and data', async () => {
  await using dir = await folder()
  const start = () => startProduct({ dataDir: dir.path, flags: ['--partitions=2'] })
  await using first = await start()
  expect(Object.keys(first.pids()).sort()).toEqual(['gateway', 'nats-server', 'processor', 'storage'])
  expect(await send(first, '1')).toBe(1)
  const pids = Object.values(first.pids())
  expect(await first.stop()).toBe(0)
  expect(pids.filter(isRunning)).toEqual([])
  expect(first.terminal()).not.toMatch(/died/)

  await using second = await start()
  expect(second.keys).toEqual(first.keys)
  expect(await send(second, '2')).toBe(1)
})

test('the command that it prints works as it is', async () => {
  await using product = await startProduct({ flags: ['--partitions=1'] })
  const [, command] = /^ {2}(curl [\s\S]*?)\n\n/m.exec(product.terminal())!
  const { stdout } = await promisify(execFile)('sh', ['-c', command])
  expect(JSON.parse(stdout)).toMatchObject({ accepted: 1 })
})

test('whatever is killed comes back under its name and its address, and the terminal says so', async () => {
  await using product = await startProduct({ flags: ['--partitions=2', '--processors=2'] })
  const names = ['gateway', 'processor', 'processor-2', 'storage', 'nats-server']
  expect(Object.keys(product.pids()).sort()).toEqual([...names].sort())
  for (const name of names) {
    const before = product.pids()[name]
    process.kill(before, 'SIGKILL')
    await product.shows(`${name} died (SIGKILL); starting it again in 100 ms`)
    await product.shows(new RegExp(`${name} is back`))
    expect(product.pids()[name]).not.toBe(before)
    expect(await send(product, name)).toBe(1)
  }
})

test('when the supervisor itself is killed nothing stays, and the folder can be used again', async () => {
  await using dir = await folder()
  await using product = await startProduct({ dataDir: dir.path, flags: ['--partitions=2'] })
  const pids = Object.values(product.pids())
  process.kill(product.pid, 'SIGKILL')
  await expect.poll(() => pids.filter(isRunning), { timeout: 40_000 }).toEqual([])
  await using again = await startProduct({ dataDir: dir.path, flags: ['--partitions=2'] })
  expect(await send(again, '1')).toBe(1)
})

test('a start right after the supervisor was killed ends what is left before it begins', async () => {
  await using dir = await folder()
  await using product = await startProduct({ dataDir: dir.path, flags: ['--partitions=2'] })
  const pids = Object.values(product.pids())
  process.kill(product.pid, 'SIGKILL')
  await using again = await startProduct({ dataDir: dir.path, flags: ['--partitions=2'] })
  expect(pids.filter(isRunning)).toEqual([])
  expect(await send(again, '1')).toBe(1)
})

test('a folder that is in use, and another number of partitions, are refused in words', async () => {
  await using dir = await folder()
  await using product = await startProduct({ dataDir: dir.path, flags: ['--partitions=2'] })
  await expect(startProduct({ dataDir: dir.path })).rejects.toThrow(`runs already (pid ${product.pid})`)
  expect(await send(product, '1')).toBe(1)
  await product.stop()
  await expect(startProduct({ dataDir: dir.path, flags: ['--partitions=3'] })).rejects.toThrow(
    'this deployment has 2 partitions, 3 were asked for',
  )
})

test('a taken port is named with its holder, and the next one is used', async () => {
  const holder = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => holder.once('listening', resolve))
  const { port } = holder.address() as { port: number }
  await using product = await startProduct({ flags: [`--port=${port}`, '--partitions=1'] })
  expect(product.terminal()).toMatch(new RegExp(`port ${port} is taken by .*\\(pid ${process.pid}\\); using \\d+`))
  expect(await send(product, '1')).toBe(1)
  holder.close()
})

test('secrets are readable by their owner alone, and stand in no log', async () => {
  await using product = await startProduct({ flags: ['--partitions=1'] })
  const { mode } = await stat(join(product.dataDir, 'keys.json'))
  expect((mode & 0o777).toString(8)).toBe('600')
  for (const name of ['gateway', 'processor', 'storage', 'nats-server']) {
    expect(await readFile(join(product.dataDir, 'logs', `${name}.log`), 'utf8')).not.toContain('mr_')
  }
})

test('on a server of somebody else it says whether acknowledged events are on disk, and again when that changes', async () => {
  await using server = await startTestNats()
  const flags = [`--nats-url=${server.url}`, '--partitions=1']
  const durability = async (product: TestProduct) =>
    (await ask<{ pipeline: { durability: string } }>(product, '{ pipeline { durability } }')).pipeline.durability
  {
    await using product = await startProduct({ flags })
    expect(product.terminal()).toContain('(durability: unverified; no monitoring address is known')
    expect(await durability(product)).toBe('UNVERIFIED')
  }
  await using product = await startProduct({ flags: [...flags, `--nats-monitor-url=${server.monitorUrl}`] })
  expect(product.terminal()).not.toContain('unverified')
  expect(await durability(product)).toBe('FSYNCED')
  await server.restart({ syncInterval: '"2m"' })
  await expect.poll(() => durability(product), { timeout: 30_000 }).toBe('UNVERIFIED')
  await expect
    .poll(() => readFile(join(product.dataDir, 'logs', 'gateway.log'), 'utf8'), { timeout: 30_000 })
    .toContain('syncs every 120 s')
})
