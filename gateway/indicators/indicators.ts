import type { Reports, WallClock } from '#gateway/ports.ts'
import type { PartitionReport } from '#schema/report.ts'
import type { Intake } from './intake.ts'
import type { Markers } from './markers.ts'

/** A report is due every second: an owner that has been silent for so long is not there. */
const SILENT_MS = 5_000

/** Reports of the processors that are there. */
export const freshReports = (reports: Reports, clock: WallClock): PartitionReport[] =>
  reports.partitions().filter(({ at }) => clock.now() - at <= SILENT_MS)

interface IndicatorOptions {
  markers: Pick<Markers, 'latencyP99' | 'oldest'>
  intake: Pick<Intake, 'dropRate'>
  reports: Reports
  clock: WallClock
}

/** The service-level indicators, as /metrics and Query.pipeline have them. docs/operations.md says what moves them. */
export const createIndicators = ({ markers, intake, reports, clock }: IndicatorOptions) => {
  const consumerLagSeconds = (): number =>
    Math.max(markers.oldest().settled, ...freshReports(reports, clock).map(({ lagSeconds }) => lagSeconds))
  return {
    /** Null before the first marker was sent. */
    eventProcessingLatencyP99: markers.latencyP99,
    consumerLagSeconds,
    /** What no checkpoint has settled cannot be in the live view. */
    dashboardFreshnessLag: (): number => Math.max(markers.oldest().shown, consumerLagSeconds()),
    eventDropRate: intake.dropRate,
    /** Dead letters in the store, of one tenant or of all; null before the store has said anything. */
    dlqEventCount(tenant?: string): number | null {
      const said = reports.storage()
      if (!said) return null
      if (tenant === undefined) return said.deadLetters
      const byTenant = said.deadLettersByTenant ?? {}
      return Object.hasOwn(byTenant, tenant) ? byTenant[tenant] : 0
    },
    /** Seconds since the store last said how many dead letters it has; null before it has said anything. */
    dlqAgeSeconds(): number | null {
      const said = reports.storage()
      return said ? Math.max(0, clock.now() - said.at) / 1_000 : null
    },
  }
}

export type Indicators = ReturnType<typeof createIndicators>
