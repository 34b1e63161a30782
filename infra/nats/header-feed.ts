import type { HeaderFeed } from '#processors/ports.ts'
import { logStream } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'
import { consumeOnce, pause } from './follow.ts'
import { toLogMessage } from './log.ts'

const RETRY_MS = 200

/** Follows the headers of the logs: the broker sends nothing else of the messages. */
export const createHeaderFeed = (broker: Broker): HeaderFeed => ({
  async last(partition) {
    return (await broker.range(logStream(partition))).last
  },
  async *read(partition, after, signal) {
    const stream = logStream(partition)
    let next = after + 1
    const from = async () => {
      // What had expired was counted by nobody here.
      next = Math.max(next, (await broker.range(stream)).first)
      return { start: next, headersOnly: true }
    }
    while (!signal.aborted) {
      for await (const message of consumeOnce(broker, stream, from, signal)) {
        if (message.seq < next) continue
        // Something was delivered to a connection that had just gone: read again from where it was.
        if (message.seq > next) break
        next++
        yield { sequence: message.seq, received: toLogMessage(message).received ?? [] }
      }
      await pause(RETRY_MS, signal)
    }
  },
})
