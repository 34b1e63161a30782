import type { StoredMessage } from '#infra/nats/broker.ts'
import type { SimStream } from './stream.ts'

const ALL = ['>']

/** The server's side of a consumer: where it stands. Nothing is acknowledged, so what was handed out is gone from it. */
export const createConsumer = (stream: SimStream, start: number, filters: readonly string[] = ALL) => {
  const wanted = filters.length === 0 ? ALL : filters
  const removeListeners = new Set<() => void>()
  let next = start
  return {
    stream,
    /** Hands out the next message; null when there is none. */
    take(): StoredMessage | null {
      const message = stream.next(wanted, next)
      if (message) next = message.seq + 1
      return message
    },
    /** A server that crashed may not have kept how far the consumer had come: it hands out again. */
    goBack(messages: number): void {
      next = Math.max(start, next - messages)
    },
    onRemoved: (listener: () => void) => void removeListeners.add(listener),
    remove(): void {
      for (const listener of [...removeListeners]) listener()
    },
  }
}

export type SimConsumer = ReturnType<typeof createConsumer>
