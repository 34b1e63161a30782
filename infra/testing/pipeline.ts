import { randomUUID } from 'node:crypto'
import { Registry } from 'prom-client'
import { createCollector } from '#gateway/collect/collector.ts'
import { createCollectMetrics } from '#gateway/collect/metrics.ts'
import { createSchemaCheck } from '#gateway/collect/schema-check.ts'
import { createIntake } from '#gateway/indicators/intake.ts'
import { runPartition } from '#processors/runtime/owner.ts'
import type { Head } from '#schema/checkpoint.ts'
import type { Nats } from '../nats/connect.ts'
import { createLogWriter, createPartitionLog } from '../nats/log.ts'
import { createStateStore } from '../nats/state.ts'

const silent = { info() {}, warn() {}, error() {} }

/** The real way in, to a deployment of one partition, without schemas. */
export const collectorOn = (nats: Nats, deadlineMs?: number) =>
  createCollector({
    log: createLogWriter(nats.broker),
    geoip: { country: () => undefined },
    clock: { now: Date.now },
    metrics: createCollectMetrics(new Registry()),
    intake: createIntake(() => performance.now()),
    checkSchema: createSchemaCheck([]),
    partitions: 1,
    processId: randomUUID(),
    frames: deadlineMs === undefined ? {} : { deadlineMs },
  })

/** Clients that send one event after the other until the log no longer confirms; answers what was acknowledged. */
export const sendUntilItFails = (nats: Nats, clients: number) => {
  const { collect } = collectorOn(nats, 2_000)
  const acknowledged = new Set<string>()
  let stopped = false
  const client = async (): Promise<void> => {
    while (!stopped) {
      const id = randomUUID()
      const receipt = await collect({ tenant: 'main', events: [{ id, name: 'view' }] }).catch(() => null)
      if (receipt?.accepted === 1) acknowledged.add(id)
    }
  }
  const done = Promise.all(Array.from({ length: clients }, client))
  return {
    acknowledged,
    async stop() {
      stopped = true
      await done
    },
  }
}

interface OwnOptions {
  onFailure?: (error: unknown) => void
  importIdleMs?: number
}

/** An owner of partition 0; `committed` is the newest head whose write was acknowledged. */
export const ownPartition = (nats: Nats, { onFailure = () => {}, importIdleMs = 3_600_000 }: OwnOptions = {}) => {
  const stopping = new AbortController()
  const state = createStateStore(nats.broker, 0)
  let committed: Head | undefined
  const done = runPartition(
    {
      partition: 0,
      owner: 'test',
      log: createPartitionLog(nats.broker, 0),
      state: {
        ...state,
        async commit(batch, revision) {
          const answer = await state.commit(batch, revision)
          committed = batch.head
          return answer
        },
      },
      reports: { publish() {}, partitions: () => [] },
      seed: Uint32Array.of(1, 2, 3, 4),
      settings: { checkpointMs: 10, liveIdleMs: 3_600_000, importIdleMs },
      clock: { now: Date.now, monotonic: () => performance.now() },
      logger: silent,
      metrics: { checkpoint() {}, hole() {} },
    },
    stopping.signal,
  ).catch(onFailure)
  return {
    committed: () => committed,
    async stop() {
      stopping.abort()
      await done
    },
  }
}
