import type { Registry } from 'prom-client'
import type { PriorityOf } from '#gateway/collect/priority.ts'
import type { Reports } from '#gateway/ports.ts'
import { measureShedding } from '#gateway/shedding/metrics.ts'
import { createShed, type Shed } from '#gateway/shedding/shed.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { createSheddingStore } from '#infra/nats/shedding.ts'
import type { Deployment } from '#schema/keys.ts'

interface SheddingDependencies {
  nats: Nats
  deployment: Deployment
  reports: Reports
  priorityOf: PriorityOf
  registry: Registry
}

/** What this gateway sheds; resolves when it knows what the owners of partitions have decided so far. */
export const composeShedding = async ({ nats, deployment, reports, priorityOf, registry }: SheddingDependencies) => {
  const { partitions, hashSeed } = deployment
  const decisions = await createSheddingStore(nats.broker)
  const seed = Uint32Array.from(hashSeed)
  const shed: Shed = createShed({ decisions, reports, partitions, seed, monotonic: () => performance.now() })
  measureShedding(registry, shed, partitions)
  return {
    shed,
    priorityOf,
    stop(): void {
      shed.stop()
      decisions.stop()
    },
  }
}
