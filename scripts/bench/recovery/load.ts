import type { Nats } from '#infra/nats/connect.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { type BuiltState, eventLine } from './state.ts'

const EVERY_MS = 100
const EVENTS = 50
const encoder = new TextEncoder()

/**
 * Appends a frame of new events to every partition ten times a second. Their time stands still, so that no identity of
 * the built state is forgotten while the bench prepares.
 */
export const startLoad = (nats: Nats, partitions: number, { now }: BuiltState) => {
  const log = createLogWriter(nats.broker)
  const stop = new AbortController()
  let frames = 0
  const append = async (partition: number): Promise<void> => {
    const messageId = `load-${frames++}`
    const lines = Array.from({ length: EVENTS }, (_, i) => eventLine(`${messageId}-${i}`, i, now))
    const data = encoder.encode(lines.join('\n'))
    await log.append({ partition, messageId, data, counts: new Map([['main', EVENTS]]) }, 60_000)
  }
  const loop = async (partition: number): Promise<void> => {
    while (!stop.signal.aborted) {
      await append(partition)
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS))
    }
  }
  const done = Promise.all(Array.from({ length: partitions }, (_, partition) => loop(partition)))
  return {
    sent: (): number => frames * EVENTS,
    async stop(): Promise<void> {
      stop.abort()
      await done
    },
  }
}
