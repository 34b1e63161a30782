import { once } from 'node:events'
import { WebSocket } from 'ws'

/** One operation after the other on a connection; resolves with what was answered. */
export type Ask = (body: string) => Promise<string>

interface Site {
  port: number
  key: string
}

const NEXT = '"type":"next","payload":'
const COMPLETE = '"type":"complete"'

/** A connection that was acknowledged. Benches speak the protocol themselves: it costs less beside the gateway. */
export const openSocket = async ({ port, key }: Site): Promise<WebSocket> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/graphql`, 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } }))
  await once(socket, 'message')
  return socket
}

const openAsker = async (site: Site) => {
  const socket = await openSocket(site)
  let waiting: PromiseWithResolvers<string> | undefined
  let answer = ''
  socket.on('message', (data: Buffer) => {
    const text = data.toString('latin1')
    const at = text.indexOf(NEXT)
    if (at >= 0) answer = text.slice(at + NEXT.length, -1)
    else if (text.endsWith(`${COMPLETE}}`)) waiting?.resolve(answer)
    else waiting?.reject(new Error(`answered ${text.slice(0, 300)}`))
  })
  socket.on('close', (code) => waiting?.reject(new Error(`closed with ${code}`)))
  const ask: Ask = (body) => {
    waiting = Promise.withResolvers()
    socket.send(`{"id":"1","type":"subscribe","payload":${body}}`)
    return waiting.promise
  }
  return { ask, close: () => socket.terminate() }
}

/** So many connections that ask. */
export const openSockets = async (site: Site, connections: number) => {
  const askers = await Promise.all(Array.from({ length: connections }, () => openAsker(site)))
  return {
    asks: askers.map(({ ask }) => ask),
    close(): void {
      for (const { close } of askers) close()
    },
  }
}
