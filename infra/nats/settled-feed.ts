import type { SettledFeed, SettlementsGone } from '#processors/ports.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'
import { consumeOnce, pause } from './follow.ts'
import { lookAfter, readFrames } from './outputs.ts'
import { readSettlement } from './settlements.ts'

const RETRY_MS = 200

/** Settlements of the checkpoints after `after` in order; ends only when aborted. What has expired is told. */
async function* settlements(
  broker: Broker,
  partition: number,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<Settlement | SettlementsGone> {
  const filters = [settledSubject(partition)]
  let last = after
  while (!signal.aborted) {
    const found = await lookAfter(broker, partition, last).catch(() => null)
    if (!found) {
      await pause(RETRY_MS, signal)
      continue
    }
    const { start, gone } = found
    if (gone) {
      last = gone.checkpoint
      yield gone
      continue
    }
    for await (const message of consumeOnce(broker, stateStream(partition), async () => ({ start, filters }), signal)) {
      const settlement = readSettlement(message)
      if (settlement.checkpoint <= last) continue
      // Something is missing: looked for anew.
      if (settlement.checkpoint > last + 1) break
      last++
      yield settlement
    }
    await pause(RETRY_MS, signal)
  }
}

export const createSettledFeed = (broker: Broker): SettledFeed => ({
  read: (partition, after, signal) => settlements(broker, partition, after, signal),
  frames: (partition, from, to) => readFrames(broker, partition, from, to),
})
