import { type Broker, type ConsumeOptions, type Delivery, Refused, type StoredMessage } from './broker.ts'

const WATCHDOG_MS = 1_500

/**
 * Tells whether a consumer has fallen silent: twice in a row the stream held something for it, and nothing came although
 * its reader was waiting. Asked of the leader, because the last messages of a burst are followed by no others that would
 * show it.
 */
const createWatchdog = (broker: Broker, stream: string, { start, filters }: ConsumeOptions) => {
  let next = start
  let waiting = true
  let nextBefore = -1
  /** Nothing of ours stands between `next` and here. */
  let emptyTo = 0
  let strikes = 0

  const holdsMore = async (): Promise<boolean> => {
    const { last } = await broker.range(stream)
    if (last < next || last <= emptyTo) return false
    for (const filter of filters ?? ['>']) if (await broker.next(stream, filter, next)) return true
    emptyTo = last
    return false
  }

  return {
    came: (seq: number): void => {
      next = seq + 1
      waiting = false
    },
    asksForMore: (): void => {
      waiting = true
    },
    async isSilent(): Promise<boolean> {
      const before = next
      const stoodStill = waiting && before === nextBefore
      nextBefore = before
      strikes = stoodStill && (await holdsMore()) && next === before ? strikes + 1 : 0
      return strikes >= 2
    },
  }
}

/**
 * One run of a consumer as an iterator that ends when `signal` aborts, when the consumer is gone, or when the watchdog
 * sees that it stays silent (which happens for over a minute after a node died). Never throws for trouble with the
 * connection: the caller opens a new one from where it was.
 */
export async function* consumeOnce(
  broker: Broker,
  stream: string,
  from: () => Promise<ConsumeOptions>,
  signal: AbortSignal,
): AsyncGenerator<StoredMessage> {
  let messages: Delivery
  let options: ConsumeOptions
  try {
    options = await from()
    if (signal.aborted) return
    messages = await broker.consume(stream, options)
  } catch (error) {
    if (error instanceof TypeError) throw error
    return
  }
  const stop = (): void => messages.stop()
  if (signal.aborted) return stop()
  const watchdog = createWatchdog(broker, stream, options)
  const watch = async (): Promise<void> => {
    if (await watchdog.isSilent()) stop()
  }
  const watching = setInterval(() => void watch().catch(() => undefined), WATCHDOG_MS)
  signal.addEventListener('abort', stop)
  try {
    for await (const message of messages) {
      watchdog.came(message.seq)
      yield message
      watchdog.asksForMore()
    }
  } catch {
    // The consumer is gone (deleted, or its node died): the caller opens a new one.
  } finally {
    clearInterval(watching)
    signal.removeEventListener('abort', stop)
    stop()
  }
}

const MOST_TRIES = 4

/**
 * Repeats what may be repeated (a question, a purge) while nobody answers. Many in a row make up a takeover: one that
 * got lost must not cost all that was read before it.
 */
export const patiently = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await ask()
    } catch (error) {
      if (error instanceof Refused || tries === MOST_TRIES) throw error
    }
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
