import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type NatsProxy, openProxy } from './proxy.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** A server that says everything back, and the proxy before it. */
const openEcho = async (): Promise<NatsProxy> => {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  const { port } = server.address() as AddressInfo
  const proxy = await openProxy(() => ({ host: '127.0.0.1', port }))
  cleanups.push(() => void proxy[Symbol.asyncDispose]())
  return proxy
}

/** A client that says its name first, as those of NATS do. */
const join = async (proxy: NatsProxy, name: string) => {
  const socket: Socket = connect(proxy.port, '127.0.0.1')
  cleanups.push(() => socket.destroy())
  socket.on('error', () => {})
  let heard = ''
  const more = new Set<() => void>()
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text
    for (const look of more) look()
  })
  const hears = (text: string) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!heard.includes(text)) return
        more.delete(look)
        resolve()
      }
      more.add(look)
      look()
    })
  socket.write(`CONNECT {"name":"${name}"}\r\n`)
  const closed = once(socket, 'close')
  return { say: (text: string) => socket.write(text), hears, heard: () => heard, closed }
}

test('passes everything on in order, and cuts the connections of those who are chosen', async () => {
  const proxy = await openEcho()
  const one = await join(proxy, 'one')
  const two = await join(proxy, 'two')
  const long = 'x'.repeat(3_000_000)
  one.say(`${long}end`)
  await one.hears(`${long}end`)
  await two.hears('CONNECT')
  expect(proxy.clients().sort()).toEqual(['one', 'two'])
  expect(proxy.cut((client) => client === 'one')).toBe(1)
  await one.closed
  two.say('still there')
  await two.hears('still there')
})

test('what is frozen comes later, whole and in order; others are not held up', async () => {
  const proxy = await openEcho()
  const [one, two] = [await join(proxy, 'one'), await join(proxy, 'two')]
  await Promise.all([one.hears('CONNECT'), two.hears('CONNECT')])
  const thaw = proxy.trouble((client) => client === 'one', { frozen: true })
  one.say('first ')
  one.say('second')
  two.say('meanwhile')
  await two.hears('meanwhile')
  expect(one.heard()).not.toContain('first')
  thaw()
  await one.hears('first second')
})

test('slow connections get everything in the end', async () => {
  const proxy = await openEcho()
  const undo = proxy.trouble(() => true, { delayMs: 50, bandwidth: 1_000_000 })
  const one = await join(proxy, 'one')
  for (let i = 0; i < 100; i++) one.say(`line ${i};`)
  await one.hears(Array.from({ length: 100 }, (_, i) => `line ${i};`).join(''))
  undo()
})

test('who is refused loses the connection and gets no new one until it is over', async () => {
  const proxy = await openEcho()
  const one = await join(proxy, 'one')
  await one.hears('CONNECT')
  const undo = proxy.trouble((client) => client === 'one', { refused: true })
  await one.closed
  await (await join(proxy, 'one')).closed
  undo()
  await (await join(proxy, 'one')).hears('CONNECT')
})
