import { freshReports } from '#gateway/indicators/indicators.ts'
import type { Clock } from '#schema/checkpoint.ts'
import { LIVE_SOURCE } from '#schema/event.ts'
import type { PartitionReport } from '#schema/report.ts'
import { formatDuration } from '#schema/time.ts'
import type { Durability, GraphqlServices } from './context.ts'

/** Times are milliseconds since 1970. One for each partition and source of the tenant. */
export interface PartitionStatus {
  partition: number
  owner: string | null
  source: string
  watermark: number | null
  pendingEvents: number
  lagSeconds: number
  idle: boolean
  heldBy: string | null
}

export interface PipelineStatus {
  asOf: number
  partitions: PartitionStatus[]
  eventsPerSecond: number
  eventProcessingLatencyP99: number
  consumerLagSeconds: number
  dashboardFreshnessLag: number
  eventDropRate: number
  dlqEventCount: number
  keptShare: number
  sheddingSince: number | null
  durability: Durability
}

/** Below this much lag, nothing holds a watermark back but the events themselves. */
const NOTABLE_LAG_SECONDS = 2

const heldBy = (
  report: PartitionReport | undefined,
  clock: Clock | undefined,
  outOfOrdernessMs: number,
): string | null => {
  if (!report) return 'no processor owns the partition'
  if (report.lagSeconds >= NOTABLE_LAG_SECONDS) return `${report.pendingEvents} events wait for the processor`
  if (!clock) return null
  if (clock.idle) return 'no events come: it follows the partitions that have some'
  return `the newest event, less ${formatDuration(outOfOrdernessMs)}`
}

const ofPartition = (
  partition: number,
  report: PartitionReport | undefined,
  tenant: string,
  outOfOrdernessMs: number,
): PartitionStatus[] => {
  const clocks: (Clock | undefined)[] = report?.clocks.filter((clock) => clock.tenant === tenant) ?? []
  return (clocks.length > 0 ? clocks : [undefined]).map((clock) => ({
    partition,
    owner: report?.owner ?? null,
    source: clock?.source ?? LIVE_SOURCE,
    watermark: clock?.watermark ?? null,
    pendingEvents: report?.pendingEvents ?? 0,
    lagSeconds: report?.lagSeconds ?? 0,
    idle: clock?.idle ?? true,
    heldBy: heldBy(report, clock, outOfOrdernessMs),
  }))
}

/** How the pipeline stands now, as far as a tenant may see it. */
export const pipelineStatus = (tenant: string, services: GraphqlServices): PipelineStatus => {
  const { reports, indicators, view, clock, partitions, durability, tenantSettings } = services
  const byPartition = new Map(freshReports(reports, clock).map((report) => [report.partition, report]))
  const { outOfOrdernessMs } = tenantSettings(tenant)
  return {
    asOf: view.isReady() ? view.asOf() : clock.now(),
    partitions: Array.from({ length: partitions }, (_, partition) =>
      ofPartition(partition, byPartition.get(partition), tenant, outOfOrdernessMs),
    ).flat(),
    eventsPerSecond: view.eventsPerSecond(tenant),
    eventProcessingLatencyP99: indicators.eventProcessingLatencyP99() ?? 0,
    consumerLagSeconds: indicators.consumerLagSeconds(),
    dashboardFreshnessLag: indicators.dashboardFreshnessLag(),
    eventDropRate: indicators.eventDropRate(),
    dlqEventCount: indicators.dlqEventCount(tenant) ?? 0,
    keptShare: indicators.keptShare(),
    sheddingSince: indicators.sheddingSince(),
    durability: durability(),
  }
}
