import type { IncomingMessage, ServerResponse } from 'node:http'
import { VERDICT_STATUS } from '#schema/errors.ts'
import { type Authenticate, requireRight } from '../auth.ts'
import { clientAddress } from '../collect/client-address.ts'
import type { Collector } from '../collect/collector.ts'
import { type ReadBodyOptions, readBody } from '../collect/read-body.ts'
import { readEvents } from '../collect/read-events.ts'
import type { Receipt } from '../collect/verdict.ts'
import { rateLimitFields } from '../limits/rate-limit-fields.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import { traceOf } from '../request-span.ts'
import { retryAfter, sendJson, setFields } from './answer.ts'

/** Browsers of any origin may send: the key is the right to do so, and there are no cookies. */
export const COLLECT_CORS: Record<string, string> = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'POST, OPTIONS',
  'access-control-allow-headers': 'authorization, content-type, content-encoding, traceparent, tracestate',
  'access-control-expose-headers': 'retry-after, ratelimit, ratelimit-policy',
  'access-control-max-age': '86400',
}

export interface CollectRouteDependencies {
  collector: Collector
  /** Tells clients what is left of their limits. */
  rates?: Pick<RateLimiter, 'look'>
  authenticate: Authenticate
  /** How the body of a request is read whose answer is this. */
  bodyOf: (response: ServerResponse) => ReadBodyOptions
}

/** POST /v1/events: events in, a receipt out. The key is checked before the body is read. */
export const createCollectRoute =
  ({ collector, rates, authenticate, bodyOf }: CollectRouteDependencies) =>
  async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const { headers } = request
    const key = authenticate(headers.authorization, url.searchParams.get('key'))
    requireRight(key, 'WRITE')
    const data = await readBody(request, bodyOf(response))
    const sent = readEvents(data)
    const collected = collector.collect({
      tenant: key.tenant,
      key,
      bytes: data.length,
      source: url.searchParams.get('source') ?? undefined,
      ...sent,
      address: clientAddress(request.socket.remoteAddress, headers['x-forwarded-for']),
      userAgent: headers['user-agent'],
      trace: traceOf(request),
    })
    if (rates) setFields(response, rateLimitFields(rates.look(key)))
    sendReceipt(response, await collected, url.searchParams.get('all') === 'true')
  }

/** 200 when anything was accepted or nothing was sent, else the status of the first verdict. */
const sendReceipt = (response: ServerResponse, receipt: Receipt, all: boolean): void => {
  const { accepted, shed, rejected, refused } = receipt
  const first = accepted === 0 ? refused[0] : undefined
  const status = first?.code ? VERDICT_STATUS[first.code] : 200
  const verdicts = all ? receipt.verdicts : refused
  sendJson(
    response,
    status,
    { accepted, shed, rejected, verdicts },
    { ...retryAfter(first?.retryAfterMs), ...COLLECT_CORS },
  )
}
