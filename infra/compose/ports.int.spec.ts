import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { choosePort, holderOf } from './ports.ts'

const HOST = '127.0.0.1'
const listening = async () => {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return { port, [Symbol.dispose]: () => void server.close() }
}

/** One that nobody listens on at the moment. */
const freePort = async () => {
  using server = await listening()
  return server.port
}

test('a free port is taken as it is, any free one stays 0, and nothing is said', async () => {
  const said: string[] = []
  const free = await freePort()
  expect(await choosePort(free, HOST, (line) => said.push(line))).toBe(free)
  expect(await choosePort(0, HOST, (line) => said.push(line))).toBe(0)
  expect(said).toEqual([])
})

test('a taken port is named with its holder, and the next free one is chosen', async () => {
  using holder = await listening()
  expect(await holderOf(holder.port)).toMatch(new RegExp(`\\(pid ${process.pid}\\)$`))
  const said: string[] = []
  const port = await choosePort(holder.port, HOST, (line) => said.push(line))
  expect(port).toBeGreaterThan(holder.port)
  expect(said).toEqual([expect.stringMatching(new RegExp(`^port ${holder.port} is taken by .+; using ${port}$`))])
})

test('a port that another child of ours is about to take is passed over in silence', async () => {
  const free = await freePort()
  const said: string[] = []
  const port = await choosePort(free, HOST, (line) => said.push(line), new Set([free]))
  expect(port).toBeGreaterThan(free)
  expect(said).toEqual([])
})

test('an address that is not of this machine is refused with the reason', async () => {
  await expect(choosePort(4000, '203.0.113.1', () => {})).rejects.toThrow(
    'cannot listen on 203.0.113.1:4000: EADDRNOTAVAIL',
  )
})

test('nobody holds a free port', async () => {
  expect(await holderOf(await freePort())).toBeNull()
})
