import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Tracer } from '@opentelemetry/api'
import type { Authenticate } from '#gateway/auth.ts'
import type { GraphqlServices } from './context.ts'
import { createDirectOperations, type RequestText } from './direct-operations.ts'
import { createErrorMask, type ErrorLog } from './errors.ts'
import { createHttpTransport } from './http-transport.ts'
import { createMetricPlans } from './metric/known-plans.ts'
import { createSchema } from './schema.ts'
import { createWebSocketTransport } from './websocket-transport.ts'
import { createGraphqlServer } from './yoga.ts'

export interface GraphqlHandlerOptions {
  services: GraphqlServices
  authenticate: Authenticate
  log: ErrorLog
  keepAliveMs?: number
  tracer?: Tracer
}

/**
 * GraphQL over HTTP, SSE and WebSocket. `handleGraphql` rejects with MillraceError when a request is refused before
 * GraphQL sees it; the HTTP server answers those.
 */
export const createGraphqlHandler = ({ services, authenticate, log, keepAliveMs, tracer }: GraphqlHandlerOptions) => {
  const schema = createSchema()
  const server = createGraphqlServer(schema, log)
  const mask = createErrorMask(log)
  const findDirect = createDirectOperations({ server, plans: createMetricPlans(schema), services, mask })
  const http = createHttpTransport({ server, findDirect, services, authenticate })
  const webSocket = createWebSocketTransport({ server, findDirect, services, authenticate, mask, keepAliveMs, tracer })
  let closing: Promise<void> | undefined
  return {
    handleGraphql: (request: IncomingMessage, response: ServerResponse, body: RequestText | null): Promise<void> =>
      http.handle(request, response, body),
    handleUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer): void =>
      webSocket.upgrade(request, socket, head),
    /** Ends streams and sockets in a way that makes clients connect again. */
    close(): Promise<void> {
      http.close()
      closing ??= webSocket.close()
      return closing
    },
  }
}

export type GraphqlHandler = ReturnType<typeof createGraphqlHandler>
