import type { Ack } from '#infra/nats/broker.ts'
import type { Random } from '#scripts/demo/random.ts'
import type { Publication } from './batches.ts'
import { createConsumer, type SimConsumer } from './consumer.ts'
import { createStream, type SimStream, type StreamSettings } from './stream.ts'
import { matches } from './subjects.ts'

/** Messages that a durable consumer may hand out again after a crash. */
const MOST_REDELIVERED = 5

/**
 * The simulated nats-server: streams, consumers and core subjects, without a network (that is network.ts). One object
 * for its whole life; a crash takes from it what a crash takes from the real one.
 */
export const createServer = (settings: readonly StreamSettings[], now: () => number, random: Random) => {
  const streams = new Map<string, SimStream>(settings.map((one) => [one.name, createStream(one)]))
  const durables = new Map<string, SimConsumer>()
  const subscribers = new Set<{ subject: string; onText: (text: string) => void }>()
  let running = true
  let life = 0

  const stream = (name: string): SimStream => {
    const found = streams.get(name)
    if (!found) throw new Error(`there is no stream ${name}`)
    return found
  }
  const streamOf = (subject: string): SimStream | undefined =>
    [...streams.values()].find((one) => one.settings.subjects.some((filter) => matches(filter, subject)))

  return {
    /** Milliseconds since 1970. */
    now,
    isRunning: (): boolean => running,
    /** Grows with every start: what belonged to a former life is gone. */
    life: (): number => life,
    stream,
    publish(publication: Publication): Ack | null {
      const target = streamOf(publication.subject)
      if (!target) throw new Error(`no stream takes ${publication.subject}`)
      return target.publish(publication, now())
    },
    /** A consumer of one's own, or the durable of that name made anew: readers of the former one end. */
    consumer(name: string, start: number, filters: readonly string[], durable?: string): SimConsumer {
      const consumer = createConsumer(stream(name), start, filters)
      if (durable === undefined) return consumer
      const key = `${name} ${durable}`
      durables.get(key)?.remove()
      durables.set(key, consumer)
      return consumer
    },
    /** The durable of that name as it is; undefined when there is none. */
    durable: (name: string, durable: string): SimConsumer | undefined => durables.get(`${name} ${durable}`),
    notify(subject: string, text: string): void {
      for (const one of [...subscribers]) if (matches(one.subject, subject)) one.onText(text)
    },
    listen(subject: string, onText: (text: string) => void): () => void {
      const subscriber = { subject, onText }
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    /** SIGKILL. */
    crash(): void {
      running = false
    },
    start(): void {
      running = true
      life++
      for (const one of streams.values()) one.restart()
      for (const consumer of durables.values()) consumer.goBack(random.whole(0, MOST_REDELIVERED))
    },
  }
}

export type SimServer = ReturnType<typeof createServer>
