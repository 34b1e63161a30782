import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Tracer } from '@opentelemetry/api'
import { type ExecutionArgs, type GraphQLError, getOperationAST } from 'graphql'
import { CloseCode, type SubscribePayload } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import type { Authenticate } from '#gateway/auth.ts'
import { scanGraphqlBody } from '#gateway/collect/graphql-problems.ts'
import { overloaded } from '#gateway/collect/overloaded.ts'
import { MillraceError } from '#schema/errors.ts'
import { LIMITS } from '#schema/limits.ts'
import { NO_TRACER } from '#schema/spans.ts'
import type { GraphqlContext, GraphqlServices } from './context.ts'
import type { FindDirect } from './direct-operations.ts'
import { type ErrorMask, withoutInternals } from './errors.ts'
import { originOf } from './http-transport.ts'
import { inOperationSpan } from './operation-span.ts'
import {
  type Connection,
  createWebSocketOperations,
  MOST_OPERATIONS,
  OfferingSocket,
  type SocketContext,
} from './websocket-operations.ts'
import type { GraphqlServer } from './yoga.ts'

interface WebSocketTransportOptions {
  server: GraphqlServer
  findDirect: FindDirect
  services: GraphqlServices
  authenticate: Authenticate
  mask: ErrorMask
  /** Time between pings, milliseconds; a client that does not answer one before the next is cut off. */
  keepAliveMs?: number
  tracer?: Tracer
}

/** WebSocket close code "service restart": clients connect again. */
const RESTART = 1012
const REASON_CHARS = 100

/** Scans the text again that the protocol has parsed: what it hides (an earlier duplicate key) is gone for good. */
const scan = (payload: SubscribePayload): Pick<GraphqlContext, 'bytes' | 'problems'> => {
  try {
    const text = JSON.stringify(payload)
    return { bytes: Buffer.byteLength(text), problems: scanGraphqlBody(text) }
  } catch {
    return { bytes: 0, problems: { request: 'the operation nests too deep to be read', elements: new Map() } }
  }
}

/** GraphQL over WebSocket (graphql-transport-ws). */
export const createWebSocketTransport = (options: WebSocketTransportOptions) => {
  const { server, findDirect, services, authenticate, mask, keepAliveMs = 12_000, tracer = NO_TRACER } = options
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: LIMITS.requestBytes,
    WebSocket: OfferingSocket,
  })
  const takeDirect = createWebSocketOperations({
    findDirect,
    services,
    mask,
    traced: ({ type, name }, origin, task) => inOperationSpan(tracer, { type, name, origin }, task),
  })

  const connect = (socket: SocketContext): boolean => {
    try {
      const said = socket.connectionParams?.authorization
      socket.extra.key = authenticate(typeof said === 'string' ? said : undefined)
      const offering = socket.extra.socket as OfferingSocket
      offering.take = (message) => takeDirect(socket, message)
      return true
    } catch (error) {
      const reason = error instanceof MillraceError ? `${error.code}: ${error.message}` : 'UNAUTHENTICATED'
      socket.extra.socket.close(CloseCode.Unauthorized, reason.slice(0, REASON_CHARS))
      return false
    }
  }

  const prepare = async (socket: SocketContext, payload: SubscribePayload) => {
    const { bytes, problems } = scan(payload)
    if (problems.request !== null) throw new MillraceError('BAD_INPUT', problems.request)
    if (Object.keys(socket.subscriptions).length > MOST_OPERATIONS)
      throw new MillraceError('RATE_LIMITED', `a connection has at most ${MOST_OPERATIONS} operations at once`)
    const origin = originOf(socket.extra.request)
    const context: GraphqlContext = { services, key: socket.extra.key!, origin, bytes, problems }
    const enveloped = server.getEnveloped(context)
    const document = enveloped.parse(payload.query)
    const errors = enveloped.validate(enveloped.schema, document)
    if (errors.length > 0) return (errors as GraphQLError[]).map(mask)
    const { operationName } = payload
    const execute = async (args: ExecutionArgs) => {
      const share = services.admission?.open()
      try {
        if (share?.grow(bytes) === false)
          return { errors: [mask(overloaded(services.admission?.retryAfterMs() ?? 0))], data: null }
        const type = getOperationAST(document, operationName)?.operation ?? 'query'
        const started = { type, name: operationName, origin }
        return await inOperationSpan(tracer, started, () => enveloped.execute(args))
      } finally {
        share?.release()
      }
    }
    return {
      schema: enveloped.schema,
      document,
      operationName,
      variableValues: payload.variables,
      contextValue: await enveloped.contextFactory(),
      rootValue: { execute, subscribe: enveloped.subscribe },
    }
  }

  // The protocol's implementation knows only these two names to run an operation that was prepared by somebody else.
  const run = (name: 'execute' | 'subscribe') => (args: { rootValue?: unknown }) => {
    const { [name]: operate } = args.rootValue as Record<'execute' | 'subscribe', (args: unknown) => never>
    return operate({ ...args, rootValue: undefined })
  }

  const protocol = useServer<Record<string, unknown>, Connection>(
    {
      execute: run('execute'),
      subscribe: run('subscribe'),
      onConnect: connect,
      onSubscribe: async (socket, _id, payload) => {
        try {
          return await prepare(socket, payload)
        } catch (error) {
          return [mask(error)]
        }
      },
      onNext: (_socket, _id, _payload, _args, { errors, ...result }) =>
        errors ? { ...result, errors: (errors as GraphQLError[]).map(withoutInternals) } : undefined,
      onError: (_socket, _id, _payload, errors) => (errors as GraphQLError[]).map(withoutInternals),
    },
    sockets,
    keepAliveMs,
  )

  return {
    upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
      sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request))
    },
    /** Sends everybody away with a code on which clients connect again. */
    async close(): Promise<void> {
      for (const client of sockets.clients) client.close(RESTART, 'the gateway is restarting')
      await protocol.dispose()
    },
  }
}
