import type { Reports } from '#gateway/ports.ts'
import type { ClockReport, PartitionReport, StorageReport } from '#schema/report.ts'
import { PROCESSOR_REPORTS, processorReport, STORAGE_REPORT } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'

/** The newest report of every partition and of storage. Nothing durable: a missed one is followed by the next. */
export const createReports = (broker: Broker): Reports & { stop(): void } => {
  const partitions = new Map<number, PartitionReport>()
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
    tell()
  })
  const fromStorage = broker.listen(STORAGE_REPORT, (text) => {
    storage = JSON.parse(text) as StorageReport
    tell()
  })
  return {
    partitions: () => [...partitions.values()].sort((a, b) => a.partition - b.partition),
    storage: () => storage,
    onReport(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop() {
      fromProcessors.stop()
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

export const publishStorageReport = (broker: Broker, report: StorageReport): void =>
  broker.notify(STORAGE_REPORT, JSON.stringify(report))
