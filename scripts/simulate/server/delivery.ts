import type { Delivery, StoredMessage } from '#infra/nats/broker.ts'
import type { Random } from '#scripts/demo/random.ts'
import type { Connection } from './connection.ts'
import type { SimConsumer } from './consumer.ts'

/** Messages under way to a client, or in its buffer. */
const WINDOW = 64

const NO_DATA = new Uint8Array()

interface DeliveryOptions {
  connection: Connection
  random: Random
  consumer: SimConsumer
  headersOnly: boolean
  /**
   * After the connection was lost: where the client goes on. An ordered consumer is made anew behind the last message
   * that had come; a durable one stands where the server has it, and what was under way is gone.
   */
  again(afterSeq: number): SimConsumer | undefined
}

/** The client's side of a consumer. */
export const createDelivery = ({
  connection,
  random,
  consumer: first,
  headersOnly,
  again,
}: DeliveryOptions): Delivery => {
  const { process } = connection
  let consumer = first
  let epoch = connection.epoch()
  const received: StoredMessage[] = []
  /** On the way from the server. */
  let pipe: StoredMessage[] = []
  let lastSeq = 0
  let lastArrival = 0
  let silent = false
  let ended = false
  let failure: Error | undefined
  let wake = (): void => undefined

  const end = (error?: Error): void => {
    if (ended) return
    ended = true
    failure = error
    unlisten()
    stopBack()
    wake()
  }

  const arrive = (message: StoredMessage, sentIn: number): void => {
    // What is read from a connection comes in the order in which it was written, also after a stop.
    pipe.push(message)
    lastArrival = Math.max(connection.now() + connection.delay(), lastArrival + 0.001)
    process.after(lastArrival - connection.now(), () => {
      if (sentIn !== connection.epoch() || ended) return
      const next = pipe.shift()!
      lastSeq = next.seq
      received.push(next)
      wake()
    })
  }

  /** The server hands out as much as the client has room for. */
  const pump = (): void => {
    while (!ended && !silent && connection.isUp() && epoch === connection.epoch()) {
      if (received.length + pipe.length >= WINDOW) return
      const message = consumer.take()
      if (!message) return
      if (random.chance(connection.weather.silences)) silent = true
      arrive(headersOnly ? { ...message, data: NO_DATA } : message, epoch)
    }
  }
  const removed = (): void => {
    const sentIn = epoch
    process.after(connection.delay(), () => {
      if (sentIn !== connection.epoch() || ended) return
      // The client may find the one that was made in its place, and read that.
      const next = random.chance(0.5) ? again(lastSeq) : undefined
      if (next) read(next)
      else end(new Error('consumer deleted'))
    })
  }
  const read = (next: SimConsumer): void => {
    consumer = next
    unlisten()
    unlisten = attach()
    pump()
  }
  const attach = (): (() => void) => {
    consumer.onRemoved(removed)
    return consumer.stream.onStored(pump)
  }
  let unlisten = attach()
  const stopBack = connection.onBack(() => {
    unlisten()
    pipe = []
    epoch = connection.epoch()
    process.after(connection.delay(), () => {
      if (ended || epoch !== connection.epoch()) return
      // A server that was started again does not know a consumer of one's own; the client may make another, or give up.
      const next = random.chance(0.5) ? again(lastSeq) : undefined
      if (next) read(next)
      else end(new Error('consumer not found'))
    })
  })
  process.onEnd(() => end())
  pump()

  return {
    stop: () => end(),
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          const message = received.shift()
          if (message) {
            pump()
            yield message
            continue
          }
          if (ended) break
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        if (failure) throw failure
      } finally {
        end()
      }
    },
  }
}
