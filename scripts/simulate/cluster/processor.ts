import { createLeases } from '#infra/nats/leases.ts'
import { createPartitionLog } from '#infra/nats/log.ts'
import { createReports, publishPartitionReport } from '#infra/nats/reports.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import { createProcessor } from '#processors/runtime/processor.ts'
import { IDLE, LEASE_MS, SEED } from './settings.ts'
import type { Member } from './supervise.ts'
import type { World } from './world.ts'

/** A processor as infra/compose/processor.main.ts composes it. */
export const startProcessor = (world: World, owner: string): Member => {
  const { process, broker, logger } = world.spawn(owner)
  const start = async () => {
    const leases = await createLeases(broker, { owner, kind: 'processor', leaseMs: LEASE_MS })
    const reports = createReports(broker)
    const processor = createProcessor({
      partitions: world.partitions,
      leases,
      logger,
      onRefused: () => undefined,
      run: (partition, signal, onReady) =>
        runPartition(
          {
            partition,
            owner,
            onReady,
            log: createPartitionLog(broker, partition),
            state: createStateStore(broker, partition),
            reports: { publish: (report) => publishPartitionReport(broker, report), partitions: reports.partitions },
            seed: SEED,
            settings: IDLE,
            clock: { now: Date.now, monotonic: () => performance.now() },
            logger,
            metrics: { checkpoint: () => undefined, hole: () => undefined },
          },
          signal,
        ),
    })
    return processor
  }
  const started = process.run(start)
  started.catch((error: Error) => {
    world.say(`${owner} ends: ${error.message}`)
    process.kill()
  })
  return { process, stop: async () => (await started).stop() }
}
