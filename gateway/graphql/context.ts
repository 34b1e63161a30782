import type { SpanContext } from '@opentelemetry/api'
import type { Admission } from '#gateway/collect/admission.ts'
import type { Collector } from '#gateway/collect/collector.ts'
import type { GraphqlProblems } from '#gateway/collect/graphql-problems.ts'
import type { Indicators } from '#gateway/indicators/indicators.ts'
import type { KeyAdmin } from '#gateway/keys/key-admin.ts'
import type { RateLimiter } from '#gateway/limits/rate-limiter.ts'
import type { LiveView } from '#gateway/live/live-view.ts'
import type { MetricReader, RangeResult } from '#gateway/live/metric-reader.ts'
import type { MetricAdmin } from '#gateway/metrics/metric-admin.ts'
import type { MetricStore, OlapReader, Reports, WallClock } from '#gateway/ports.ts'
import type { Shed } from '#gateway/shedding/shed.ts'
import type { ReadEventStatus } from '#gateway/status/event-status.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { Kept } from '#schema/limits.ts'

export interface TenantSettings {
  latenessHorizonMs: number
  outOfOrdernessMs: number
}

/** FSYNCED: the broker says that it syncs before it acknowledges. */
export type Durability = 'FSYNCED' | 'UNVERIFIED'

/** What resolvers work with. */
export interface GraphqlServices {
  collector: Pick<Collector, 'collect'>
  /** The bound on bytes in flight, for what no other layer has counted. */
  admission?: Pick<Admission, 'open' | 'retryAfterMs'>
  /** Tells clients what is left of their limits. */
  rates?: Pick<RateLimiter, 'look'>
  view: LiveView
  reader: MetricReader
  metrics: MetricStore
  admin: MetricAdmin
  keys: KeyAdmin
  olap: OlapReader
  eventStatus: ReadEventStatus
  reports: Reports
  indicators: Indicators
  shed: Pick<Shed, 'of'>
  clock: WallClock
  partitions: number
  tenantSettings: (tenant: string) => TenantSettings
  durability: () => Durability
  /** How long things are kept, milliseconds. */
  kept: Kept
}

/** Where a request comes from. */
export interface RequestOrigin {
  address?: string
  userAgent?: string
  trace?: SpanContext
}

/** What a request brings along. */
export interface GraphqlContext {
  services: GraphqlServices
  key: KeyRecord
  origin: RequestOrigin
  /** Of the request, as text. */
  bytes: number
  /** What is wrong with the text of the request. */
  problems: GraphqlProblems
  /** Where somebody wants to know: the ranges that were read for it. */
  reads?: RangeResult[]
}
