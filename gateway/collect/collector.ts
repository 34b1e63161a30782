import type { SpanContext, Tracer } from '@opentelemetry/api'
import { MillraceError, type VerdictCode } from '#schema/errors.ts'
import { eventKey, LIVE_SOURCE } from '#schema/event.ts'
import { SOURCE_PATTERN } from '#schema/event-line.ts'
import { partitionOf } from '#schema/hash.ts'
import { LIMITS } from '#schema/limits.ts'
import type { GeoIp, LogWriter, WallClock } from '../ports.ts'
import { createEnricher } from './enrich.ts'
import { createLineWriter } from './event-line.ts'
import type { CollectMetrics } from './metrics.ts'
import { createOpenFrames, type OpenFramesDependencies } from './open-frames.ts'
import { type Admitted, NOT_TAKEN, settle, tooLarge, toReceipt } from './receipt.ts'
import type { SchemaCheck } from './schema-check.ts'
import { isProblem, readId, validate } from './validate.ts'
import { describe, type EventProblem, type Receipt } from './verdict.ts'

export interface CollectRequest {
  tenant: string
  /** `live` when it is not given; imports have names of their own. */
  source?: string
  /** What the client sent as events, one each; not validated. */
  events: readonly unknown[]
  /** By index: what is wrong with the text of an event. */
  problems?: ReadonlyMap<number, EventProblem>
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
  intake: { note(codes: readonly (VerdictCode | null)[]): void }
  checkSchema: SchemaCheck
  partitions: number
  /** Distinguishes the message ids of this process from all others'. */
  processId: string
  tracer?: Tracer
  /** Limits and times of the frames, where the defaults do not fit. */
  frames?: Partial<OpenFramesDependencies>
}

/** The way in: from what a client sent to the receipt that says which events are on disk. */
export const createCollector = (dependencies: CollectorDependencies) => {
  const { log, clock, metrics, intake, partitions, processId, checkSchema, tracer } = dependencies
  const enricher = createEnricher({ geoip: dependencies.geoip })
  const frames = createOpenFrames({ log, metrics, partitions, processId, tracer, ...dependencies.frames })

  const admitter = (request: CollectRequest, receivedAt: number) => {
    const { tenant, address, userAgent, trace } = request
    const source = checkSource(request.source)
    const writeLine = createLineWriter({ tenant, source, receivedAt })
    const enrich = enricher(source, { address, userAgent })
    return (value: unknown, index: number): Admitted => {
      const validated = request.problems?.get(index) ?? validate(value, receivedAt, checkSchema)
      if (isProblem(validated)) return { id: readId(value), problem: validated }
      const { event, time, schema } = validated
      const enrichment = enrich(event)
      const text = JSON.stringify(event)
      const bytes = Buffer.byteLength(text)
      if (bytes > LIMITS.eventBytes) return { id: event.id, problem: tooLarge(bytes) }
      const line = writeLine(event, text, time, schema, enrichment)
      const ticket = frames.add({
        partition: partitionOf(tenant, eventKey(event), partitions),
        tenant,
        receivedAt,
        line,
        trace,
      })
      return typeof ticket === 'string' ? { id: event.id, problem: NOT_TAKEN[ticket] } : { id: event.id, ticket }
    }
  }

  /**
   * Takes events in; answers when every accepted one is on disk. Rejects with BAD_INPUT (the source's name),
   * TOO_MANY_EVENTS, and OVERLOADED or UNAVAILABLE when nothing was taken and trying again can help.
   */
  const collect = async (request: CollectRequest): Promise<Receipt> => {
    checkCount(request.events.length)
    const receivedAt = clock.now()
    const admitted = request.events.map(admitter(request, receivedAt))
    const problems = await settle(admitted)
    const codes = problems.map((problem) => problem?.code ?? null)
    // Also of a request that fails as a whole.
    intake.note(codes)
    metrics.accepted.inc(codes.filter((code) => code === null).length)
    for (const code of codes) if (code !== null) metrics.refused.inc({ code })
    const receipt = toReceipt(admitted, problems)
    frames.refuse({ tenant: request.tenant, receivedAt, ...countRefused(receipt) })
    return receipt
  }

  return { collect, drain: frames.drain, waitingBytes: frames.waitingBytes }
}

export type Collector = ReturnType<typeof createCollector>

/** What may be sent again is not refused for good: it is counted when it comes again. */
const countRefused = ({ verdicts, shed }: Receipt) => ({
  rejected: verdicts.filter(({ status, retryable }) => status === 'REJECTED' && !retryable).length,
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
