import type { MetricStore, OlapReader, WallClock } from '#gateway/ports.ts'
import { MillraceError } from '#schema/errors.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { LiveView, Moment } from './live-view.ts'
import { resolveOperation } from './operation.ts'
import type { Point } from './points.ts'
import type { PushSpans } from './push-spans.ts'
import { createReading, type Reading } from './reading.ts'
import type { Selection } from './selection.ts'
import { createSharedCells } from './shared-cells.ts'
import type { ReadOptions } from './snapshot.ts'
import { createStoredWindows } from './stored.ts'
import { createStoredSessions } from './stored-sessions.ts'
import { createSubscribe, type SubscribeRequest } from './subscription.ts'
import { createWatches } from './watch.ts'

export interface MetricReaderOptions {
  view: LiveView
  metrics: MetricStore
  olap: OlapReader
  clock: WallClock
  /** Deployment.id: cursors of another one are refused. */
  deploymentId: string
  /** Lateness horizon of a tenant, milliseconds. */
  horizonMs: (tenant: string) => number
  /** Shortest time between two updates of a subscription, milliseconds. */
  paceMs?: number
  /** How long a reader waits for the live view or the store before UNAVAILABLE, milliseconds. */
  patienceMs?: number
  pushSpans?: PushSpans
}

export interface MetricRequest extends Selection {
  metric: string
}

export interface RangeResult {
  points: Point[]
  /** Milliseconds since 1970; null before the tenant's first event. */
  watermark: number | null
  asOf: number
  truncated: boolean
  /** Of the live view; null when the store had a part in the answer. */
  moment: Moment | null
}

const MAX_POINTS = 100_000

const definitionOf = (metrics: MetricStore, tenant: string, name: string): MetricDefinition => {
  const record = metrics.get(tenant, name)
  if (record && !record.deleted) return record.definition
  const known = metrics.list(tenant).filter(({ deleted }) => !deleted)
  const names = known.map(({ definition }) => definition.name).sort()
  throw new MillraceError(
    'METRIC_UNKNOWN',
    `there is no metric ${name}; ${names.length > 0 ? `there are: ${names.join(', ')}` : 'none is defined yet'}. ` +
      'Define it with defineMetric',
    { metric: name, metrics: names },
  )
}

/** Metrics as users read them: ranges of windows, and subscriptions. */
export const createMetricReader = (options: MetricReaderOptions) => {
  const { view, metrics, olap, clock, horizonMs, paceMs = 100, patienceMs = 10_000 } = options
  const stored = createStoredWindows({ olap, clock })
  const storedSessions = createStoredSessions({ olap, clock })
  const sources: ReadOptions = { view, stored, storedSessions, cells: createSharedCells(), horizonMs }
  const watches = createWatches({ view, clock, paceMs })

  const resolve = (tenant: string, request: MetricRequest): Reading =>
    createReading(resolveOperation(tenant, definitionOf(metrics, tenant, request.metric), request), sources)

  const whenReady = async (signal?: AbortSignal): Promise<void> => {
    if (view.isReady() || (await view.ready(patienceMs, signal))) return
    throw new MillraceError(
      'UNAVAILABLE',
      'this gateway is still loading the recent windows; try again in a few seconds',
    )
  }

  return {
    /**
     * Windows whose start lies in [from, to), milliseconds. Throws METRIC_UNKNOWN, WINDOW_NOT_DEFINED,
     * FIELD_NOT_A_DIMENSION, BAD_INPUT, or UNAVAILABLE when older windows are asked for and the store is away.
     */
    async range(
      tenant: string,
      request: MetricRequest & { from: number; to: number; limit: number },
      signal?: AbortSignal,
    ): Promise<RangeResult> {
      const { from, to, limit } = request
      const reading = resolve(tenant, request)
      if (from > to) throw new MillraceError('BAD_INPUT', 'from is after to; give the earlier time as from')
      if (limit < 1 || limit > MAX_POINTS)
        throw new MillraceError('BAD_INPUT', `limit is ${limit}; it must be 1 to ${MAX_POINTS}`)
      await whenReady(signal)
      const answer = await reading.range({ from, to }, limit + 1, { deadlineMs: patienceMs, signal })
      const { points, moment, asOf, fromStore = false } = answer
      const truncated = points.length > limit
      return {
        points: truncated ? points.slice(0, limit) : points,
        watermark: moment.time.watermark,
        asOf,
        truncated,
        moment: fromStore ? null : moment,
      }
    },

    /** A snapshot and then every change; see createSubscribe. */
    subscribe: createSubscribe({ ...options, watches, patienceMs, resolve, whenReady }) as (
      tenant: string,
      request: SubscribeRequest,
    ) => ReturnType<ReturnType<typeof createSubscribe>>,

    /** Operations that are subscribed to now. */
    watched: watches.size,
  }
}

export type MetricReader = ReturnType<typeof createMetricReader>
