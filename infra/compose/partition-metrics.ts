import { Gauge, type Registry } from 'prom-client'
import type { PartitionReport } from '#schema/report.ts'
import type { PartitionShedding } from '#schema/shedding.ts'

/** What a processor says of its partitions, for Prometheus: as it last reported, of those that it owns. */
export const createPartitionMetrics = (
  registry: Registry,
  owned: () => readonly number[],
  decided: (partition: number) => PartitionShedding | undefined,
): ((report: PartitionReport) => void) => {
  const reports = new Map<number, PartitionReport>()
  const gauge = (name: string, help: string, read: (partition: number) => number | undefined): void => {
    new Gauge({
      name,
      help,
      labelNames: ['partition'],
      registers: [registry],
      collect() {
        this.reset()
        for (const partition of owned()) {
          const value = read(partition)
          if (value !== undefined) this.set({ partition }, value)
        }
      },
    })
  }
  gauge(
    'millrace_partition_behind_seconds',
    'Time that what is pending of a partition takes at the present rate, and at most the age of the oldest message',
    (partition) => reports.get(partition)?.load?.behindSeconds,
  )
  gauge(
    'millrace_partition_pending_events',
    'Events of a partition that no checkpoint has settled; estimated where they are not read',
    (partition) => reports.get(partition)?.pendingEvents,
  )
  gauge(
    'millrace_partition_arriving_events_per_second',
    'Events that arrive in the log of a partition, a second',
    (partition) => reports.get(partition)?.load?.arrivingPerSecond,
  )
  gauge(
    'millrace_decided_share',
    'Lowest share of the sessions of any tenant whose LOW events gateways are to keep of a partition; 1 when nothing is shed',
    (partition) => Math.min(1, ...(decided(partition)?.tenants.map(({ share }) => share) ?? [])),
  )
  return (report) => void reports.set(report.partition, report)
}
