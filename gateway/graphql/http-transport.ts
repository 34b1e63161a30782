import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import type { Authenticate } from '#gateway/auth.ts'
import { clientAddress } from '#gateway/collect/client-address.ts'
import type { GraphqlProblems } from '#gateway/collect/graphql-problems.ts'
import { setFields } from '#gateway/http/answer.ts'
import { rateLimitFields } from '#gateway/limits/rate-limit-fields.ts'
import { traceOf } from '#gateway/request-span.ts'
import { MillraceError } from '#schema/errors.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlContext, GraphqlServices, RequestOrigin } from './context.ts'
import type { FindDirect, RequestText } from './direct-operations.ts'
import { isJsonBody, mediaTypeFor } from './media-type.ts'
import { type AnswerForm, sendOutcome } from './send-result.ts'
import type { GraphqlServer } from './yoga.ts'

export const NO_PROBLEMS: GraphqlProblems = { request: null, elements: new Map() }

/** In which form a request that came by POST as JSON is answered; null where that is yoga's affair. */
const answerForm = ({ headers }: IncomingMessage): AnswerForm | null => {
  const type = mediaTypeFor(headers.accept)
  return type !== null && isJsonBody(headers['content-type']) ? { type, origin: headers.origin } : null
}

export const originOf = (request: IncomingMessage): RequestOrigin => {
  const { headers, socket } = request
  return {
    address: clientAddress(socket.remoteAddress, headers['x-forwarded-for']),
    userAgent: headers['user-agent'],
    trace: traceOf(request),
  }
}

const headersOf = (request: IncomingMessage): Headers => {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  // The text is not compressed any more and has a length of its own.
  for (const name of ['content-encoding', 'content-length', 'transfer-encoding']) headers.delete(name)
  return headers
}

const send = async (answer: Response, response: ServerResponse): Promise<void> => {
  response.writeHead(answer.status, Object.fromEntries(answer.headers))
  if (!answer.body) {
    response.end()
    return
  }
  if (answer.headers.get('content-type')?.startsWith('text/event-stream')) {
    // Ends when the client leaves; the stream is asked for more only as fast as the socket takes it.
    await pipeline(answer.body as AsyncIterable<Uint8Array>, response).catch(() => {})
  } else response.end(Buffer.from(await answer.arrayBuffer()))
}

interface HttpTransportOptions {
  server: GraphqlServer
  findDirect: FindDirect
  services: GraphqlServices
  authenticate: Authenticate
}

/** GraphQL over HTTP and SSE. Rejects with MillraceError for what comes before GraphQL: keys, and broken text. */
export const createHttpTransport = ({ server, findDirect, services, authenticate }: HttpTransportOptions) => {
  const streams = new Set<AbortController>()

  const contextOf = (request: IncomingMessage, key: KeyRecord, body: RequestText | null): GraphqlContext => {
    const problems = body?.problems ?? NO_PROBLEMS
    if (problems.request !== null) throw new MillraceError('BAD_INPUT', problems.request)
    return { services, key, origin: originOf(request), bytes: body?.bytes.length ?? 0, problems }
  }

  const handle = async (
    request: IncomingMessage,
    response: ServerResponse,
    body: RequestText | null,
  ): Promise<void> => {
    // Browsers ask before they send a key.
    if (request.method === 'OPTIONS') return answerByYoga(request, response, body, {} as GraphqlContext)
    const key = authenticate(request.headers.authorization)
    if (body && services.rates) setFields(response, rateLimitFields(services.rates.look(key)))
    const form = body && answerForm(request)
    const operation = form && findDirect(body, key, originOf(request))
    if (operation) await sendOutcome(server, response, await operation.run(), form)
    else await answerByYoga(request, response, body, contextOf(request, key, body))
  }

  const answerByYoga = async (
    request: IncomingMessage,
    response: ServerResponse,
    body: RequestText | null,
    context: GraphqlContext,
  ): Promise<void> => {
    const { method = 'GET' } = request
    const gone = new AbortController()
    const leave = (): void => gone.abort()
    response.once('close', leave)
    streams.add(gone)
    try {
      const init = { method, headers: headersOf(request), body: body?.text, signal: gone.signal }
      await send(
        await server.fetch(new Request(new URL(request.url ?? '/', 'http://gateway'), init), context),
        response,
      )
    } finally {
      response.off('close', leave)
      streams.delete(gone)
    }
  }

  return {
    handle,
    /** Ends what is still being sent, so that clients come back elsewhere. */
    close(): void {
      for (const stream of streams) stream.abort()
    },
  }
}
