import type { Broker, ConsumeOptions, Delivery, StoredMessage } from './broker.ts'

const WATCHDOG_MS = 1_500

/**
 * One run of a consumer as an iterator that ends when `signal` aborts, when the consumer is gone, or when the watchdog
 * sees that the stream grew while the consumer stayed silent (which happens for over a minute after a node died).
 * Never throws for trouble with the connection: the caller opens a new one from where it was.
 */
export async function* consumeOnce(
  broker: Broker,
  stream: string,
  from: () => Promise<ConsumeOptions>,
  signal: AbortSignal,
): AsyncGenerator<StoredMessage> {
  let messages: Delivery
  try {
    const options = await from()
    if (signal.aborted) return
    messages = await broker.consume(stream, options)
  } catch (error) {
    if (error instanceof TypeError) throw error
    return
  }
  let seen = 0
  let seenBefore = 0
  let grownTo = 0
  let strikes = 0
  const watch = async (): Promise<void> => {
    const { last } = await broker.range(stream)
    const silent = seen === seenBefore
    strikes = silent && last > seen && last > grownTo && grownTo > 0 ? strikes + 1 : 0
    // The stream may have grown by subjects that are not ours; a new consumer costs little then.
    if (strikes >= 2) messages.stop()
    grownTo = last
    seenBefore = seen
  }
  const watchdog = setInterval(() => void watch().catch(() => undefined), WATCHDOG_MS)
  const stop = (): void => messages.stop()
  signal.addEventListener('abort', stop)
  try {
    for await (const message of messages) {
      seen = message.seq
      yield message
    }
  } catch {
    // The consumer is gone (deleted, or its node died): the caller opens a new one.
  } finally {
    clearInterval(watchdog)
    signal.removeEventListener('abort', stop)
    messages.stop()
  }
}

/** Waits, or less when aborted. */
export const pause = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done)
  })
