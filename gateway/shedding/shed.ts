import type { Priority } from '#schema/builtin-schemas.ts'
import { type Hash128, hash128 } from '#schema/hash.ts'
import type { PartitionShedding, TenantShedding } from '#schema/shedding.ts'
import type { Reports, SheddingReader } from '../ports.ts'

/** For so long what a partition's owner has decided holds when nobody reports of the partition any more. */
const HOLD_MS = 60_000
const WORD = 2 ** 32

export interface PartitionShare extends TenantShedding {
  partition: number
}

interface ShedDependencies {
  decisions: SheddingReader
  reports: Reports
  partitions: number
  /** The deployment's secret: no client can choose sessions that are kept. */
  seed: Hash128
  /** Milliseconds of a clock that never jumps. */
  monotonic: () => number
}

/**
 * Load shedding as the owners of partitions decide it. A session is kept when its hash falls below the share, with weight
 * 1/share: the same at every gateway and at every try, and what a smaller share keeps a larger one keeps as well.
 */
export const createShed = ({ decisions, reports, partitions, seed, monotonic }: ShedDependencies) => {
  const byPartition: ReadonlyMap<string, TenantShedding>[] = Array.from({ length: partitions }, () => new Map())
  const heardAt = new Float64Array(partitions).fill(monotonic())
  const epochs = new Float64Array(partitions)
  const hash: Hash128 = new Uint32Array(4)

  const apply = ({ partition, epoch, tenants }: PartitionShedding): void => {
    if (epoch < epochs[partition]) return
    epochs[partition] = epoch
    byPartition[partition] = new Map(tenants.map((one) => [one.tenant, one]))
  }
  /** When each partition's newest report was written, by its owner's clock: another one says that it is alive. */
  const reportedAt = new Float64Array(partitions)
  const hear = (): void => {
    for (const { partition, at } of reports.partitions()) {
      if (reportedAt[partition] === at) continue
      reportedAt[partition] = at
      heardAt[partition] = monotonic()
    }
  }
  for (const decision of decisions.decisions()) apply(decision)
  const stopListening = [decisions.onDecision(apply), reports.onReport(hear)]

  const sheddingOf = (tenant: string, partition: number): TenantShedding | undefined => {
    const found = byPartition[partition].get(tenant)
    return found !== undefined && monotonic() - heardAt[partition] <= HOLD_MS ? found : undefined
  }

  return {
    /** 0: the event is shed. Else how many events it stands for; `key` is that of the event. */
    weightOf(tenant: string, partition: number, key: string, priority: Priority): number {
      if (priority !== 'LOW') return 1
      const shedding = sheddingOf(tenant, partition)
      if (shedding === undefined) return 1
      hash128(`${tenant}\u0000${key}`, seed, hash)
      return hash[0] < shedding.share * WORD ? 1 / shedding.share : 0
    },
    /** What is shed of a tenant now, by partition. */
    of: (tenant: string): PartitionShare[] =>
      Array.from({ length: partitions }, (_, partition) => partition).flatMap((partition) => {
        const shedding = sheddingOf(tenant, partition)
        return shedding === undefined ? [] : [{ partition, ...shedding }]
      }),
    /** The lowest share of any tenant in a partition. */
    lowestShare: (partition: number): number =>
      Math.min(1, ...[...byPartition[partition].keys()].map((tenant) => sheddingOf(tenant, partition)?.share ?? 1)),
    stop(): void {
      for (const stop of stopListening) stop()
    },
  }
}

export type Shed = ReturnType<typeof createShed>
