import { WebSocket } from 'ws'

export interface SubscriptionOptions {
  /** ws://host:port/graphql */
  url: string
  readToken: string
  query: string
  variables: object
  /** Text of each `next` message as it came: who only looks on need not parse it. */
  onNext(text: string): void
}

const NEXT = '"type":"next"'
const PROTOCOL = 'graphql-transport-ws'

/** A GraphQL subscription over WebSocket; resolves with its first update. Rejects when it is refused. */
export const subscribeRaw = async ({ url, readToken, query, variables, onNext }: SubscriptionOptions) => {
  const socket = new WebSocket(url, PROTOCOL)
  const first = Promise.withResolvers<void>()
  const say = (message: object): void => socket.send(JSON.stringify(message))
  const obey = (text: string): void => {
    const { type, payload } = JSON.parse(text) as { type: string; payload?: unknown }
    if (type === 'connection_ack') say({ id: '1', type: 'subscribe', payload: { query, variables } })
    else if (type === 'ping') say({ type: 'pong' })
    else first.reject(new Error(`the subscription ended: ${JSON.stringify(payload ?? type)}`))
  }
  socket.on('open', () => say({ type: 'connection_init', payload: { authorization: `Bearer ${readToken}` } }))
  socket.on('message', (data) => {
    const text = data.toString()
    if (!text.slice(0, 60).includes(NEXT)) return obey(text)
    onNext(text)
    first.resolve()
  })
  socket.on('close', (code, reason) => first.reject(new Error(`the socket was closed: ${code} ${reason}`)))
  socket.on('error', (error) => first.reject(error))
  await first.promise
  return { close: (): void => socket.terminate() }
}
