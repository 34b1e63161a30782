import type { Consumer, JsMsg } from '@nats-io/jetstream'

const HEARTBEAT_MS = 1_000
const EXPIRES_MS = 5_000

export interface PullOptions {
  /** Of messages that have come and were not read; what is asked for is counted in. */
  mostBytes: number
}

/**
 * The next message had no room in what was asked for, or there were as many as the library asks for at once (100): the end
 * of one question as any other.
 */
const ENDS = ['message size exceeds maxbytes', 'batch completed']
const isAnswered = (error: unknown): boolean => error instanceof Error && ENDS.includes(error.message.toLowerCase())

/**
 * Messages of a consumer in order, asked for as they are read. The library's own `consume` is not bounded: while its
 * reader is busy it takes the silence for a loss and asks again, every two seconds, and all of it comes when the reader
 * goes on. Ends where one is missing (it was delivered to a connection that had just gone), throws when the consumer is
 * gone.
 */
export const createPulls = (consumer: Consumer, { mostBytes }: PullOptions) => {
  const half = Math.floor(mostBytes / 2)
  const queue: JsMsg[] = []
  let bytes = 0
  let isOver = false
  let failure: unknown
  let wake: () => void = () => undefined
  let under: { stop(): void } | undefined

  /** One of the two sides waits, never both: reading waits for messages, asking waits for room. */
  const changed = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve
    })

  const ask = async (): Promise<void> => {
    let delivered = 0
    while (!isOver) {
      const messages = await consumer.fetch({ max_bytes: half, expires: EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS })
      under = messages
      if (isOver) messages.stop()
      try {
        for await (const message of messages) {
          const { deliverySequence } = message.info
          if (delivered > 0 && deliverySequence !== delivered + 1) return
          delivered = deliverySequence
          queue.push(message)
          bytes += message.data.length
          wake()
        }
      } catch (error) {
        if (!isAnswered(error)) throw error
      }
      while (bytes > half && !isOver) await changed()
    }
  }
  const end = (): void => {
    isOver = true
    under?.stop()
    wake()
  }
  void ask()
    .catch((error: unknown) => {
      failure = error
    })
    .finally(end)

  return {
    stop: end,
    async *[Symbol.asyncIterator](): AsyncGenerator<JsMsg> {
      for (;;) {
        const message = queue.shift()
        if (message) {
          bytes -= message.data.length
          if (bytes <= half) wake()
          yield message
        } else if (!isOver) await changed()
        else if (failure === undefined) return
        else throw failure
      }
    },
  }
}
