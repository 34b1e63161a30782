import type { Reports } from '#gateway/ports.ts'
import type { ClockReport, PartitionRefusal, PartitionReport, StorageReport } from '#schema/report.ts'
import { PARTITION_REFUSED, PROCESSOR_REPORTS, processorReport, STORAGE_REPORT } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'

/** A refusal is repeated every second. */
const REFUSED_MS = 5_000

/** The newest report of every partition and of storage. Nothing durable: a missed one is followed by the next. */
export const createReports = (broker: Broker): Reports & { stop(): void } => {
  const partitions = new Map<number, PartitionReport>()
  /** In order; made anew after a report, as every read of the live view asks for it. */
  let inOrder: readonly PartitionReport[] | undefined
  let storage: StorageReport | undefined
  const listeners = new Set<() => void>()
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  const fromProcessors = broker.listen(PROCESSOR_REPORTS, (text) => {
    const report = JSON.parse(text) as PartitionReport
    const known = partitions.get(report.partition)
    // A former owner that does not know yet must not hide the new one.
    if (known && known.epoch > report.epoch) return
    partitions.set(report.partition, known?.epoch === report.epoch ? withOmitted(report, known.clocks) : report)
    inOrder = undefined
    tell()
  })
  const refusals = new Map<number, PartitionRefusal>()
  const fromRefusing = broker.listen(PARTITION_REFUSED, (text) => {
    const refusal = JSON.parse(text) as PartitionRefusal
    refusals.set(refusal.partition, refusal)
    tell()
  })
  const fromStorage = broker.listen(STORAGE_REPORT, (text) => {
    storage = JSON.parse(text) as StorageReport
    tell()
  })
  return {
    partitions() {
      inOrder ??= [...partitions.values()].sort((a, b) => a.partition - b.partition)
      return inOrder
    },
    refused(partition, now) {
      const refusal = refusals.get(partition)
      return refusal && now - refusal.at <= REFUSED_MS ? refusal.reason : undefined
    },
    storage: () => storage,
    onReport(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop() {
      fromProcessors.stop()
      fromRefusing.stop()
      fromStorage.stop()
    },
  }
}

/** A report that has not all clocks leaves those of the ones before it as they were. */
const withOmitted = (report: PartitionReport, known: readonly ClockReport[]): PartitionReport => {
  if (!report.omitted) return report
  const clocks = new Map([...known, ...report.clocks].map((clock) => [`${clock.tenant} ${clock.source}`, clock]))
  return { ...report, clocks: [...clocks.values()] }
}

export const publishPartitionReport = (broker: Broker, report: PartitionReport): void =>
  broker.notify(processorReport(report.partition), JSON.stringify(report))

export const publishRefusal = (broker: Broker, refusal: PartitionRefusal): void =>
  broker.notify(PARTITION_REFUSED, JSON.stringify(refusal))

export const publishStorageReport = (broker: Broker, report: StorageReport): void =>
  broker.notify(STORAGE_REPORT, JSON.stringify(report))
