import type { SettledFeed } from '#processors/ports.ts'
import { settledSubject } from '#schema/subjects.ts'
import type { Broker, StoredMessage } from './broker.ts'
import { followCheckpoints, readFrames } from './outputs.ts'
import { readSettlement } from './settlements.ts'

const settlementOf = (message: StoredMessage) => {
  const item = readSettlement(message)
  return { checkpoint: item.checkpoint, item }
}

/** Of a checkpoint nothing but its settlement is read. */
export const createSettledFeed = (broker: Broker): SettledFeed => ({
  read(partition, after, signal) {
    const parts = { filters: [settledSubject(partition)], reset: () => undefined, add: settlementOf }
    return followCheckpoints(broker, partition, after, parts, signal)
  },
  frames: (partition, from, to) => readFrames(broker, partition, from, to),
})
