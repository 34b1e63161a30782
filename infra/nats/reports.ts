import type { Reports } from '#gateway/ports.ts'
import type { PartitionReport, StorageReport } from '#schema/report.ts'
import { PROCESSOR_REPORTS, processorReport, STORAGE_REPORT } from '#schema/subjects.ts'
import type { Nats } from './connect.ts'

/** The newest report of every partition and of storage. Nothing durable: a missed one is followed by the next. */
export const createReports = (nats: Nats): Reports & { stop(): void } => {
  const partitions = new Map<number, PartitionReport>()
  let storage: StorageReport | undefined
  const listeners = new Set<() => void>()
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  const fromProcessors = nats.nc.subscribe(PROCESSOR_REPORTS, {
    callback(error, message) {
      if (error) return
      const report = message.json<PartitionReport>()
      const known = partitions.get(report.partition)
      // A former owner that does not know yet must not hide the new one.
      if (known && known.epoch > report.epoch) return
      partitions.set(report.partition, report)
      tell()
    },
  })
  const fromStorage = nats.nc.subscribe(STORAGE_REPORT, {
    callback(error, message) {
      if (error) return
      storage = message.json<StorageReport>()
      tell()
    },
  })
  return {
    partitions: () => [...partitions.values()].sort((a, b) => a.partition - b.partition),
    storage: () => storage,
    onReport(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop() {
      fromProcessors.unsubscribe()
      fromStorage.unsubscribe()
    },
  }
}

export const publishPartitionReport = (nats: Nats, report: PartitionReport): void =>
  nats.nc.publish(processorReport(report.partition), JSON.stringify(report))

export const publishStorageReport = (nats: Nats, report: StorageReport): void =>
  nats.nc.publish(STORAGE_REPORT, JSON.stringify(report))
