import type { WebSocket } from 'ws'
import { openSocket } from './sockets.ts'

/** What the gateway allows on one connection is more. */
const PER_SOCKET = 50

export interface Watchers {
  port: number
  key: string
  query: string
  /** Variables of each subscription. */
  variables: readonly object[]
  /** Told of every update of the subscription of this number, and of its length in bytes. */
  onPush: (subscription: number, bytes: number) => void
}

const isNext = /^\{"id":"(\d+)","type":"next"/

/** Opens subscriptions on real WebSockets; resolves when each has its snapshot, which is not a push. */
export const subscribeAll = async ({ port, key, query, variables, onPush }: Watchers) => {
  const sockets: WebSocket[] = []
  const waiting = new Set(variables.keys())
  const { promise: all, resolve, reject } = Promise.withResolvers<void>()
  const onMessage = (data: Buffer): void => {
    const text = data.toString()
    const id = isNext.exec(text)?.[1]
    if (id !== undefined && !waiting.delete(Number(id))) onPush(Number(id), data.length)
    if (text.includes('"errors"') || text.includes('"type":"error"')) reject(new Error(text.slice(0, 300)))
    if (waiting.size === 0) resolve()
  }
  for (let first = 0; first < variables.length; first += PER_SOCKET) {
    const socket = await openSocket({ port, key })
    sockets.push(socket)
    socket.on('message', onMessage)
    for (const [i, of] of variables.slice(first, first + PER_SOCKET).entries()) {
      const payload = { query, variables: of }
      socket.send(JSON.stringify({ id: String(first + i), type: 'subscribe', payload }))
    }
  }
  await all
  return {
    close(): void {
      for (const socket of sockets) socket.close()
    },
  }
}
