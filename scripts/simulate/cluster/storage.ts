import { createMemoryOlap } from '#infra/memory/olap.ts'
import { createHeaderFeed } from '#infra/nats/header-feed.ts'
import { createLeases } from '#infra/nats/leases.ts'
import { createOutputFeed } from '#infra/nats/outputs.ts'
import type { OlapWriter } from '#processors/ports.ts'
import { waitForLease } from '#processors/storage/lease.ts'
import { startReceivedReader } from '#processors/storage/received.ts'
import { startStorage } from '#processors/storage/storage.ts'
import { LEASE_MS } from './settings.ts'
import type { Member } from './supervise.ts'
import type { World } from './world.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** The disk's lock: a process that is stopped still has the store open. */
const open = (world: World, member: Member['process']): OlapWriter => {
  if (world.store?.process.isAlive()) throw new Error('another process has the store open')
  const slow = world.random.logUniform(1, 200)
  const olap = createMemoryOlap(world.disk, async () => {
    await pause(world.random.exponential(slow))
    if (world.random.chance(0.01)) throw new Error('the disk does not take it')
  })
  world.store = { process: member, serve: olap }
  return olap
}

/** A storage process as infra/compose/storage.main.ts composes it. */
export const startStorageProcess = (world: World, owner: string): Member => {
  const { process, broker, logger } = world.spawn(owner)
  const stopping = new AbortController()
  const end = (reason: string): void => {
    world.say(`${owner} ends: ${reason}`)
    process.kill()
  }
  const start = async () => {
    const leases = await createLeases(broker, { owner, kind: 'storage', leaseMs: LEASE_MS })
    leases.onLost(() => end('the lease is lost'))
    if (!(await waitForLease(leases, 'storage', stopping.signal))) return undefined
    const olap = open(world, process)
    const storage = await startStorage({
      writer: olap,
      feed: createOutputFeed(broker),
      clock: { now: Date.now, monotonic: () => performance.now() },
      logger,
      metrics: { written: () => undefined },
      onFatal: (error) => end(error.message),
    })
    const received = await startReceivedReader({
      writer: olap,
      feed: createHeaderFeed(broker),
      clock: { now: Date.now },
      logger,
      onFatal: (error) => end(error.message),
    })
    return { storage, received, leases }
  }
  const started = process.run(start)
  started.catch((error: Error) => end(error.message))
  return {
    process,
    async stop() {
      stopping.abort()
      const running = await started
      await running?.storage.stop()
      await running?.received.stop()
      await running?.leases.close()
    },
  }
}
