import type { SpanContext, Tracer } from '@opentelemetry/api'
import { MillraceError, type VerdictCode } from '#schema/errors.ts'
import { LIVE_SOURCE } from '#schema/event.ts'
import { SOURCE_PATTERN } from '#schema/event-line.ts'
import type { KeyRecord } from '#schema/keys.ts'
import { LIMITS } from '#schema/limits.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import type { GeoIp, LogWriter, WallClock } from '../ports.ts'
import { admit, type Door } from './admit.ts'
import { createEnricher } from './enrich.ts'
import type { CollectMetrics } from './metrics.ts'
import { createOpenFrames, type OpenFramesDependencies } from './open-frames.ts'
import { overLimit } from './over-limit.ts'
import type { SentEvents } from './read-events.ts'
import { AWAY, toReceipt } from './receipt.ts'
import type { SchemaCheck } from './schema-check.ts'
import { describe, type Receipt } from './verdict.ts'

export interface CollectRequest extends SentEvents {
  tenant: string
  /** Whose limits hold; none where it is not given. */
  key?: KeyRecord
  /** Of all events, as they came. */
  bytes?: number
  /** `live` when it is not given; imports have names of their own. */
  source?: string
  /** The client's address, without port. */
  address?: string
  userAgent?: string
  /** Where the request stands in a trace. */
  trace?: SpanContext
}

export interface CollectorDependencies {
  log: LogWriter
  geoip: GeoIp
  clock: WallClock
  metrics: CollectMetrics
  /** Told of what became of the events of every request. */
  intake: { note(accepted: number, refused: readonly VerdictCode[]): void }
  checkSchema: SchemaCheck
  shedding?: Door['shedding']
  /** Limits of keys; none: no key has one. */
  rates?: Pick<RateLimiter, 'take'>
  partitions: number
  /** Distinguishes the message ids of this process from all others'. */
  processId: string
  tracer?: Tracer
  /** Limits and times of the frames, where the defaults do not fit. */
  frames?: Partial<OpenFramesDependencies>
}

/** The way in: from what a client sent to the receipt that says which events are on disk. */
export const createCollector = (dependencies: CollectorDependencies) => {
  const { log, clock, metrics, intake, partitions, processId, checkSchema, shedding, rates, tracer } = dependencies
  const enricher = createEnricher({ geoip: dependencies.geoip })
  const frames = createOpenFrames({ log, metrics, partitions, processId, tracer, ...dependencies.frames })

  const door = { enricher, checkSchema, frames, partitions, shedding }

  /**
   * Takes events in; answers when every accepted one is on disk. Rejects with BAD_INPUT (the source's name),
   * TOO_MANY_EVENTS, and RATE_LIMITED, OVERLOADED or UNAVAILABLE when nothing was taken and trying again can help.
   */
  const collect = async (request: CollectRequest): Promise<Receipt> => {
    checkCount(request.events.length)
    const source = checkSource(request.source)
    const receivedAt = clock.now()
    const admitted = admit(door, { ...request, source, receivedAt, over: overLimit(request, rates) })
    await admitted.settle(AWAY)
    const codes = [...admitted.problems.values()].map(({ code }) => code)
    const accepted = admitted.length - codes.length
    // Also of a request that fails as a whole.
    intake.note(accepted, codes)
    metrics.accepted.inc(accepted)
    for (const code of codes) metrics.refused.inc({ code })
    const receipt = toReceipt(admitted)
    frames.refuse({ tenant: request.tenant, receivedAt, ...countRefused(receipt) })
    return receipt
  }

  return { collect, drain: frames.drain, waitingBytes: frames.waitingBytes }
}

export type Collector = ReturnType<typeof createCollector>

/** What may be sent again is not refused for good: it is counted when it comes again. */
const countRefused = ({ refused, shed }: Receipt) => ({
  rejected: refused.filter(({ status, retryable }) => status === 'REJECTED' && !retryable).length,
  shed,
})

const checkCount = (count: number): void => {
  if (count <= LIMITS.batchEvents) return
  throw new MillraceError(
    'TOO_MANY_EVENTS',
    `Expected at most ${LIMITS.batchEvents} events in a request, found ${count}. Send them in several requests.`,
  )
}

const checkSource = (source: string = LIVE_SOURCE): string => {
  if (SOURCE_PATTERN.test(source)) return source
  throw new MillraceError(
    'BAD_INPUT',
    `Expected a source as ${SOURCE_PATTERN.source}, found ${describe(source)}. Leave it out for live traffic; name an import after its content.`,
  )
}
