import type { SheddingReader } from '#gateway/ports.ts'
import type { SheddingBook } from '#processors/ports.ts'
import type { PartitionShedding } from '#schema/shedding.ts'
import { BUCKETS } from '#schema/subjects.ts'
import { type Broker, Refused } from './broker.ts'
import { watchBucket } from './watch.ts'

const keyOf = (partition: number): string => `partition-${partition}`
const parse = (text: string): PartitionShedding => JSON.parse(text) as PartitionShedding

/**
 * What is shed of each partition, in KV, with a copy in memory that a watch keeps up to date; resolves when all that is
 * decided now is known.
 */
export const createSheddingStore = async (
  broker: Broker,
): Promise<SheddingBook & SheddingReader & { stop(): void }> => {
  const decisions = new Map<number, PartitionShedding>()
  const listeners = new Set<(decision: PartitionShedding) => void>()
  const { bucket, stop } = await watchBucket(broker, BUCKETS.shedding, ({ text }) => {
    if (text === null) return
    const decision = parse(text)
    decisions.set(decision.partition, decision)
    for (const listener of listeners) listener(decision)
  })
  return {
    last: (partition) => decisions.get(partition),
    async publish(decision) {
      const key = keyOf(decision.partition)
      const stored = await bucket.get(key)
      if (stored?.text && parse(stored.text).epoch > decision.epoch) return
      const text = JSON.stringify(decision)
      try {
        await (stored ? bucket.update(key, text, stored.revision) : bucket.create(key, text))
      } catch (error) {
        // Somebody else was faster: it decides if it is a later owner; if not, this one looks again in a second.
        if (!(error instanceof Refused)) throw error
        throw new Error(`what to shed of partition ${decision.partition} was changed by another processor`)
      }
    },
    decisions: () => [...decisions.values()],
    onDecision(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop,
  }
}
