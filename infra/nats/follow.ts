import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import { InvalidArgumentError } from '@nats-io/transport-node'
import type { Nats } from './connect.ts'

const HEARTBEAT_MS = 1_000
const WATCHDOG_MS = 1_500
const BUFFER_BYTES = 8_000_000

/**
 * One run of a consumer as an iterator that ends when `signal` aborts, when the consumer is gone, or when the watchdog
 * sees that the stream grew while the consumer stayed silent (which happens for over a minute after a node died).
 * Never throws for trouble with the connection: the caller opens a new one from where it was.
 */
export async function* consumeOnce(
  nats: Nats,
  stream: string,
  open: () => Promise<Consumer>,
  signal: AbortSignal,
): AsyncGenerator<JsMsg> {
  let messages: ConsumerMessages
  try {
    const consumer = await open()
    if (signal.aborted) return
    messages = await consumer.consume({
      max_bytes: BUFFER_BYTES,
      expires: 5_000,
      idle_heartbeat: HEARTBEAT_MS,
      abort_on_missing_resource: true,
    })
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error
    return
  }
  let seen = 0
  let seenBefore = 0
  let grownTo = 0
  let strikes = 0
  const watch = async (): Promise<void> => {
    const { last_seq: last } = (await nats.jsm.streams.info(stream)).state
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
