import type { ExecutionResult, GraphQLError } from 'graphql'
import type { Context } from 'graphql-ws'
import type { Extra } from 'graphql-ws/use/ws'
import { WebSocket } from 'ws'
import { GraphqlBody } from '#gateway/http/graphql-body.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlServices, RequestOrigin } from './context.ts'
import type { FindDirect } from './direct-operations.ts'
import { type ErrorMask, withoutInternals } from './errors.ts'
import { originOf } from './http-transport.ts'
import type { Operation, Outcome } from './operation.ts'

/** What a connection brings along once it is acknowledged. */
export interface Connection extends Record<PropertyKey, unknown> {
  key?: KeyRecord
}
export type SocketContext = Context<Record<string, unknown>, Extra & Connection>

/** Operations of a connection that are under way at once. */
export const MOST_OPERATIONS = 100

/** A socket whose messages are offered to somebody before the protocol's implementation sees them. */
export class OfferingSocket extends WebSocket {
  /** Whether the message, a text, is done with. */
  take: (message: Buffer) => boolean = () => false

  override emit(name: string | symbol, ...values: unknown[]): boolean {
    const [message, isBinary] = values
    if (name === 'message' && isBinary === false && Buffer.isBuffer(message) && this.take(message)) return true
    return super.emit(name, ...values)
  }
}

const HEAD = Buffer.from('{"id":"')
const TYPE = Buffer.from('","type":"subscribe","payload":{')
const QUOTE = 0x22
const CLOSE = 0x7d
const PLAIN_ID = /^[\w-]{1,64}$/

const isAt = (message: Buffer, at: number, text: Buffer): boolean =>
  message.compare(text, 0, text.length, at, Math.min(at + text.length, message.length)) === 0

interface Subscribe {
  id: string
  /** JSON text, if the whole message is. */
  payload: Buffer
}

/** Reads a message as clients write it that asks for an operation; null when it is any other, or written otherwise. */
export const readSubscribe = (message: Buffer): Subscribe | null => {
  if (!isAt(message, 0, HEAD)) return null
  const idEnd = message.indexOf(QUOTE, HEAD.length)
  const last = message.length - 1
  if (idEnd < 0 || !isAt(message, idEnd, TYPE) || message[last] !== CLOSE) return null
  const id = message.toString('latin1', HEAD.length, idEnd)
  if (!PLAIN_ID.test(id)) return null
  return { id, payload: message.subarray(idEnd + TYPE.length - 1, last) }
}

const asText = (result: ExecutionResult): string => {
  const errors = result.errors as readonly GraphQLError[] | undefined
  return JSON.stringify(errors ? { ...result, errors: errors.map(withoutInternals) } : result)
}

const textOf = (outcome: Outcome): string | Buffer =>
  typeof outcome === 'string' || Buffer.isBuffer(outcome) ? outcome : asText(outcome)

const nextMessage = (id: string, text: string | Buffer): string | Buffer => {
  const head = `{"id":"${id}","type":"next","payload":`
  return typeof text === 'string' ? `${head}${text}}` : Buffer.concat([Buffer.from(head), text, Buffer.from('}')])
}

/** Sends what an operation gives, and that it is all; resolves when the socket has taken it. */
const answer = ({ extra }: SocketContext, id: string, text: string | Buffer): Promise<void> =>
  new Promise((resolve) => {
    const { socket, request } = extra
    if (socket.readyState !== WebSocket.OPEN) return resolve()
    // Both messages in one write.
    request.socket.cork()
    socket.send(nextMessage(id, text), { binary: false })
    socket.send(`{"id":"${id}","type":"complete"}`, () => resolve())
    request.socket.uncork()
  })

interface WebSocketOperationsOptions {
  findDirect: FindDirect
  services: Pick<GraphqlServices, 'admission'>
  mask: ErrorMask
  /** Runs an operation in a span of its own. */
  traced<T>(operation: Operation, origin: RequestOrigin, task: () => Promise<T>): Promise<T>
}

/**
 * Carries out queries and mutations that come over a WebSocket by themselves: the protocol's implementation reads and
 * writes each answer as an object, and what it takes for that is more than most answers do. It keeps to the protocol's
 * state of the connection, so that for everything else, and for whoever says `complete`, nothing is different.
 */
export const createWebSocketOperations = ({ findDirect, services, mask, traced }: WebSocketOperationsOptions) => {
  const run = async (context: SocketContext, id: string, operation: Operation, origin: RequestOrigin) => {
    const told = traced(operation, origin, operation.run).then(textOf)
    const text = await told.catch((error) => asText({ errors: [mask(error)] }))
    if (id in context.subscriptions) await answer(context, id, text)
  }

  const find = (payload: Buffer, key: KeyRecord, origin: RequestOrigin): Operation | null => {
    try {
      return findDirect(new GraphqlBody(payload, true), key, origin)
    } catch {
      // It goes wrong again in the usual way, which says so to the client.
      return null
    }
  }

  /** Takes a message; false when it is not one for it, and nothing was done. */
  return (context: SocketContext, message: Buffer): boolean => {
    const { acknowledged, subscriptions, extra } = context
    const asked = acknowledged ? readSubscribe(message) : null
    if (!asked || asked.id in subscriptions || Object.keys(subscriptions).length >= MOST_OPERATIONS) return false
    const { id, payload } = asked
    const origin = originOf(extra.request)
    const operation = find(payload, extra.key!, origin)
    if (!operation) return false
    const share = services.admission?.open()
    if (share?.grow(payload.length) === false) {
      share.release()
      return false
    }
    subscriptions[id] = null as never
    void run(context, id, operation, origin).finally(() => {
      share?.release()
      delete context.subscriptions[id]
    })
    return true
  }
}
