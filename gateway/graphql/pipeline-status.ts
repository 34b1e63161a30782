import { freshReports } from '#gateway/indicators/indicators.ts'
import type { PartitionShare } from '#gateway/shedding/shed.ts'
import { LIVE_SOURCE } from '#schema/event.ts'
import type { Kept } from '#schema/limits.ts'
import type { ClockReport } from '#schema/report.ts'
import { compareText } from '#schema/text-order.ts'
import type { Durability, GraphqlServices } from './context.ts'
import { type Holding, heldBackBy, heldBy, lowestActive, type PartitionKnown } from './held-by.ts'

/** Times are milliseconds since 1970. One for each partition and source of the tenant. */
export interface PartitionStatus {
  partition: number
  owner: string | null
  source: string
  watermark: number | null
  pendingEvents: number
  lagSeconds: number
  idle: boolean
  /** Its clock is the lowest active one of its source. */
  holdsBack: boolean
  heldBy: string | null
}

export interface PipelineStatus {
  asOf: number
  partitions: PartitionStatus[]
  /** One for each source, in words. */
  heldBackBy: string[]
  eventsPerSecond: number
  eventProcessingLatencyP99: number
  consumerLagSeconds: number
  dashboardFreshnessLag: number
  eventDropRate: number
  dlqEventCount: number
  keptShare: number
  sheddingSince: number | null
  shedding: PartitionShare[]
  durability: Durability
  kept: KeptFor[]
}

/** How long something is kept. */
export interface KeptFor {
  what: string
  hours: number
}

/** What is known of a tenant's clocks, partition by partition; the last of those whose owner is away as well. */
const knowledge = (tenant: string, { reports, clock, partitions }: GraphqlServices) => {
  const heard = new Map(reports.partitions().map((report) => [report.partition, report]))
  const present = new Set(freshReports(reports, clock).map(({ partition }) => partition))
  return Array.from({ length: partitions }, (_, partition) => {
    const report = heard.get(partition)
    const known: PartitionKnown = {
      partition,
      report,
      isOwned: present.has(partition),
      refused: reports.refused(partition, clock.now()),
    }
    return { known, clocks: report?.clocks.filter((one) => one.tenant === tenant) ?? [] }
  })
}

const statusOf = (known: PartitionKnown, clock: ClockReport | null, lowest: Holding | undefined): PartitionStatus => {
  const report = known.isOwned ? known.report : undefined
  return {
    partition: known.partition,
    owner: report?.owner ?? null,
    source: clock?.source ?? LIVE_SOURCE,
    watermark: clock?.watermark ?? null,
    pendingEvents: report?.pendingEvents ?? 0,
    lagSeconds: report?.lagSeconds ?? 0,
    idle: clock?.idle ?? true,
    holdsBack: lowest?.partitions.includes(known.partition) === true && clock?.idle === false,
    heldBy: heldBy(known, clock, lowest),
  }
}

/** Each clock, and in words who holds back each source; null where no event has come yet. */
const clocksOf = (tenant: string, services: GraphqlServices) => {
  const all = knowledge(tenant, services)
  const flat = all.flatMap(({ known, clocks }) => clocks.map((clock) => ({ partition: known.partition, clock })))
  const lowest = lowestActive(flat)
  const sources = [...new Set(flat.map(({ clock }) => clock.source))].sort(compareText)
  const said = sources.map((source) => {
    const idle = flat.filter(({ clock }) => clock.source === source && clock.idle)
    return heldBackBy(
      source,
      lowest.get(source),
      idle.map(({ partition }) => partition),
    )
  })
  return {
    partitions: all.flatMap(({ known, clocks }) =>
      (clocks.length > 0 ? clocks : [null]).map((clock) =>
        statusOf(known, clock, lowest.get(clock?.source ?? LIVE_SOURCE)),
      ),
    ),
    heldBackBy: said,
  }
}

/** Sessions are spread evenly over partitions, so what is kept of all is the mean of the shares. */
const sheddingOf = (
  tenant: string,
  { shed, partitions }: GraphqlServices,
): Pick<PipelineStatus, 'keptShare' | 'sheddingSince' | 'shedding'> => {
  const shedding = shed.of(tenant)
  const lost = shedding.reduce((sum, { share }) => sum + 1 - share, 0)
  return {
    keptShare: 1 - lost / partitions,
    sheddingSince: shedding.length === 0 ? null : Math.min(...shedding.map(({ since }) => since)),
    shedding,
  }
}

const HOUR_MS = 3_600_000
const WHAT: Record<keyof Kept, string> = {
  log: 'log',
  settlements: 'settlements',
  aggregates: 'aggregates',
  lateEvents: 'late_events',
  rawEvents: 'raw_events',
  minlyAggs: 'minly_aggs',
  hourlyAggs: 'hourly_aggs',
  sessionAggs: 'session_aggs',
  archive: 'archive',
}
const keptFor = (kept: Kept): KeptFor[] =>
  (Object.keys(WHAT) as (keyof Kept)[]).map((name) => ({ what: WHAT[name], hours: kept[name] / HOUR_MS }))

/** How the pipeline stands now, as far as a tenant may see it. */
export const pipelineStatus = (tenant: string, services: GraphqlServices): PipelineStatus => {
  const { indicators, view, clock, durability } = services
  return {
    asOf: view.isReady() ? view.asOf() : clock.now(),
    ...clocksOf(tenant, services),
    eventsPerSecond: view.eventsPerSecond(tenant),
    eventProcessingLatencyP99: indicators.eventProcessingLatencyP99() ?? 0,
    consumerLagSeconds: indicators.consumerLagSeconds(),
    dashboardFreshnessLag: indicators.dashboardFreshnessLag(),
    eventDropRate: indicators.eventDropRate(),
    dlqEventCount: indicators.dlqEventCount(tenant) ?? 0,
    ...sheddingOf(tenant, services),
    durability: durability(),
    kept: keptFor(services.kept),
  }
}
