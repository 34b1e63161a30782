import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Tracer } from '@opentelemetry/api'
import type { Registry } from 'prom-client'
import { HTTP_STATUS, MillraceError } from '#schema/errors.ts'
import { NO_TRACER } from '#schema/spans.ts'
import type { Authenticate } from '../auth.ts'
import type { Admission } from '../collect/admission.ts'
import type { Collector } from '../collect/collector.ts'
import { overloaded } from '../collect/overloaded.ts'
import { ClientGone, NoRoom, type ReadBodyOptions } from '../collect/read-body.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import { listenOn, type Place } from '../listen.ts'
import { traceRequest } from '../request-span.ts'
import { asMillraceError, errorBody, sendError, sendJson } from './answer.ts'
import { COLLECT_CORS, createCollectRoute } from './collect-route.ts'
import { type GraphqlBody, readGraphqlBody } from './graphql-body.ts'

/** `body` is null for methods without one (GET with a query, SSE). */
export type GraphqlHandler = (request: IncomingMessage, response: ServerResponse, body: GraphqlBody | null) => unknown
export type PageHandler = (request: IncomingMessage, response: ServerResponse, url: URL) => unknown
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export interface Readiness {
  ready: boolean
  /** What is missing, in words. */
  problems: string[]
}

export interface HttpServerDependencies {
  collector: Collector
  rates?: Pick<RateLimiter, 'look'>
  authenticate: Authenticate
  registry: Registry
  readiness: () => Readiness
  graphql?: GraphqlHandler
  page?: PageHandler
  /** WebSocket upgrades of /graphql. */
  upgrade?: UpgradeHandler
  /** Told of errors that are nobody's fault outside. */
  onError: (error: unknown, where: string) => void
  /** The bound on bytes in flight; none: bodies are not counted. */
  admission?: BodyAdmission
  /** See IDLE_MS. */
  idleMs?: number
  body?: ReadBodyOptions
  tracer?: Tracer
}

interface BodyAdmission extends Pick<Admission, 'open' | 'retryAfterMs'> {
  /** Told of each request whose body had no room. */
  onRefused(): void
}

/** Connections at once; who comes after them is turned away by the system's own means. */
const MOST_CONNECTIONS = 10_000
/** A client that neither sends nor reads for so long is cut off; longer than any answer takes. */
const IDLE_MS = 60_000
/** After so long without a word the system asks whether the other side is still there. */
const SOCKET = { keepAlive: true, keepAliveInitialDelay: 30_000, noDelay: true }

type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => unknown

/** The gateway's HTTP server. A request's failure is that request's alone. */
export const createHttpServer = (dependencies: HttpServerDependencies) => {
  const { registry, readiness, graphql, page, upgrade, onError, body, tracer = NO_TRACER } = dependencies
  /** What is held for a request is given back when its answer has been read, or nobody is there to read it. */
  const bodyOf = (response: ServerResponse): ReadBodyOptions => {
    const share = dependencies.admission?.open()
    if (share) response.once('close', () => share.release())
    return { ...body, share }
  }
  const collect = createCollectRoute({ ...dependencies, bodyOf })
  const upgraded = new Set<Duplex>()
  let closing = false

  const events: Route = (request, response, url) => {
    if (request.method === 'OPTIONS') return response.writeHead(204, COLLECT_CORS).end()
    if (request.method === 'POST') return collect(request, response, url)
    return refuseMethod(response, 'POST, OPTIONS')
  }

  const graphqlRoute: Route = async (request, response) => {
    if (!graphql) return notFound(response)
    if (request.method !== 'POST') return graphql(request, response, null)
    const options = bodyOf(response)
    const read = await readGraphqlBody(request, options)
    // A stream of updates lasts; what its request was is soon forgotten.
    if (isStream(request)) options.share?.release()
    return graphql(request, response, read)
  }

  const ready: Route = (_, response) => {
    const state = readiness()
    sendJson(response, state.ready ? 200 : 503, state)
  }

  const metrics: Route = async (_, response) => {
    const text = await registry.metrics()
    response.writeHead(200, { 'content-type': registry.contentType }).end(text)
  }

  const routes: Record<string, Route | undefined> = {
    '/v1/events': events,
    '/graphql': graphqlRoute,
    '/healthz': (_, response) => sendJson(response, 200, { ok: true }),
    '/readyz': ready,
    '/metrics': metrics,
  }

  const refuseBody = (): MillraceError => {
    dependencies.admission?.onRefused()
    return overloaded(dependencies.admission?.retryAfterMs() ?? 0)
  }

  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (closing) response.setHeader('connection', 'close')
    const url = parseUrl(request.url ?? '/')
    if (isTraced(request, url)) traceRequest(tracer, request, response, url.pathname)
    try {
      if (url === null) sendError(response, new MillraceError('BAD_INPUT', 'Expected a URL in the request line.'))
      else await (routes[url.pathname] ?? page ?? ((_, answer) => notFound(answer)))(request, response, url)
    } catch (error) {
      if (error instanceof ClientGone) return
      const refusal = error instanceof NoRoom ? refuseBody() : error
      if (!(refusal instanceof MillraceError)) onError(refusal, `${request.method} ${url?.pathname}`)
      // A body that was given up half-way: the connection cannot be used again.
      if (request.readableDidRead && !request.complete && !response.headersSent)
        response.setHeader('connection', 'close')
      refuse(response, asMillraceError(refusal), url?.pathname)
    }
  }

  const server = createServer({
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    ...SOCKET,
  })
  server.maxConnections = MOST_CONNECTIONS
  server.on('request', (request, response) => {
    response.on('error', () => {})
    if (!isStream(request)) response.setTimeout(dependencies.idleMs ?? IDLE_MS)
    // One that was busy when closing began becomes idle now, and would be kept alive.
    response.once('finish', () => {
      if (closing) setImmediate(() => server.closeIdleConnections())
    })
    void respond(request, response)
  })
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    if (upgrade && !closing && parseUrl(request.url ?? '')?.pathname === '/graphql') upgrade(request, socket, head)
    else socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
  })

  /** Further doors to the same server. */
  const doors: Server[] = []

  const open = async (door: Server, place: Place): Promise<number> => {
    const port = await listenOn(door, place)
    door.on('error', (error) => onError(error, 'listening'))
    return port
  }

  /** Answers the port. Rejects when it is taken. Once; for a further place there is listenAlso. */
  const listen = (place: Place): Promise<number> => open(server, place)

  /** The same server at another place as well: where a port is shared, one at which this process alone answers. */
  const listenAlso = (place: Place): Promise<number> => {
    const door = createTcpServer({ allowHalfOpen: true, ...SOCKET }, (socket) => server.emit('connection', socket))
    doors.push(door)
    return open(door, place)
  }

  /** Takes no more connections, lets requests finish for up to `limitMs`, then ends what is left. */
  const close = async (limitMs: number): Promise<void> => {
    closing = true
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    server.closeIdleConnections()
    const shut = doors.map((door) => new Promise<unknown>((closed) => door.close(closed)))
    const timer = setTimeout(() => {
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
    }, limitMs)
    await Promise.all([promise, ...shut])
    clearTimeout(timer)
  }

  return { listen, listenAlso, close }
}

export type HttpServer = ReturnType<typeof createHttpServer>

/** Of the targets that nearly all requests have; nobody changes them. */
const KNOWN_URLS = new Map(['/v1/events', '/graphql'].map((path) => [path, new URL(`http://gateway${path}`)]))

const parseUrl = (target: string): URL | null =>
  KNOWN_URLS.get(target) ?? URL.parse(target.startsWith('/') ? `http://gateway${target}` : target)

/** Work that clients ask for. A stream of updates ends when its reader leaves, which is no duration of anything. */
const isTraced = ({ method, headers }: IncomingMessage, url: URL | null): url is URL =>
  method === 'POST' && (url?.pathname === '/v1/events' || url?.pathname === '/graphql') && !isStream({ headers })

/** One that is answered with updates for as long as its reader likes. */
const isStream = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  headers.accept?.includes('text/event-stream') === true

const notFound = (response: ServerResponse): void =>
  sendError(
    response,
    new MillraceError('BAD_INPUT', 'There is nothing here. Events go to POST /v1/events, queries to /graphql.'),
    404,
  )

const refuseMethod = (response: ServerResponse, allowed: string): void =>
  sendError(response, new MillraceError('BAD_INPUT', `Expected one of ${allowed}.`), 405, { allow: allowed })

/** In the form of the protocol that the path speaks. */
const refuse = (response: ServerResponse, error: MillraceError, path: string | undefined): void => {
  if (path === '/graphql') {
    const { message, ...extensions } = errorBody(error)
    sendJson(response, HTTP_STATUS[error.code], { errors: [{ message, extensions }] })
  } else sendError(response, error, undefined, path === '/v1/events' ? COLLECT_CORS : {})
}
