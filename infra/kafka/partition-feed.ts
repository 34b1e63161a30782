import { pause } from '#infra/nats/follow.ts'
import { logStream, stateStream } from '#schema/subjects.ts'
import type { RecordCache } from './record-cache.ts'
import type { Asker } from './settled-reader.ts'
import { followSettlements, readHead } from './settlement-feed.ts'
import { createStreamGuard, type StreamGuard, StreamRemade } from './stream-guard.ts'
import { createTopicPartition, type TopicPartition } from './topic-partition.ts'
import type { Topic } from './topics.ts'

const RETRY_MS = 500
const WATCH_MS = 2_000

interface Logger {
  error(fields: object, message: string): void
}

export interface PartitionFeed {
  /** Resolves when every topic of it can be read for the first time. */
  opened: Promise<void>
  /** Undefined: there is no such topic. Null: it cannot be read now. Throws StreamRemade. */
  topic(name: string): TopicPartition | null | undefined
  /** The offset behind the last record of a topic; 0 where there is none. */
  end(name: string): number
  /** When its streams were made. */
  identity(): string
  problems(): string[]
  stop(): Promise<void>
}

interface Dependencies {
  /** For the end of each partition, and what only the leader knows. */
  tail: Asker
  /** For those that catch up. */
  catchUp: Asker
  partition: number
  topics: readonly Topic[]
  cache: RecordCache
  logger: Logger
}

/** Follows the settlements of a partition, by which all of its topics grow. */
export const startPartitionFeed = ({
  tail,
  catchUp,
  partition,
  topics,
  cache,
  logger,
}: Dependencies): PartitionFeed => {
  const { broker } = tail
  const stopping = new AbortController()
  const { signal } = stopping
  const streams = [logStream(partition), stateStream(partition)]
  const guards = new Map(streams.map((stream): [string, StreamGuard] => [stream, createStreamGuard(broker, stream)]))
  /** What is settled of the log stands in the state: both must be what they were. */
  const guardOf = (stream: string): Pick<StreamGuard, 'check'> => ({
    async check() {
      const [range] = await Promise.all(
        [...new Set([stream, stateStream(partition)])].map((name) => guards.get(name)!.check()),
      )
      return range
    },
  })
  const parts = new Map(
    topics.map((topic) => {
      const guard = guardOf(topic.source.stream(partition))
      const now = () => performance.now()
      return [topic.name, createTopicPartition({ tail, catchUp, topic, partition, guard, cache, now })]
    }),
  )
  let isOpen = false
  /** Why the leaders of its streams do not answer. */
  let trouble: string | null = null
  const remade = (): string[] => streams.filter((stream) => guards.get(stream)!.isRemade())
  const checkAll = () => Promise.all([...guards.values()].map((guard) => guard.check()))

  const open = async () => {
    await checkAll()
    const head = await readHead(broker, partition)
    for (const part of parts.values()) await part.open(head)
    return head ?? { at: 0, checkpoint: 0 }
  }
  const openUntilItWorks = async () => {
    for (;;) {
      try {
        return await open()
      } catch (error) {
        if (signal.aborted) return null
        logger.error({ partition, err: error }, 'the partition cannot be read yet')
        await pause(RETRY_MS, signal)
      }
    }
  }
  const opening = openUntilItWorks()
  const run = async (): Promise<void> => {
    const head = await opening
    if (!head) return
    isOpen = true
    for await (const { settled, isNext } of followSettlements(broker, partition, head, signal)) {
      for (const part of parts.values()) await part.advance(settled, isNext)
    }
  }
  const done = run().catch((error: unknown) => {
    isOpen = false
    logger.error({ partition, err: error }, 'the partition is no longer followed')
  })

  const watch = async (): Promise<void> => {
    const before = remade().length
    try {
      await checkAll()
      trouble = null
    } catch (error) {
      if (!(error instanceof StreamRemade)) trouble = (error as Error).message
      else if (remade().length > before) {
        logger.error({ partition, streams: remade() }, error.message)
        for (const part of parts.values()) part.tell()
      }
    }
  }
  const watching = setInterval(() => void watch(), WATCH_MS)

  return {
    opened: opening.then(() => undefined),
    topic(name) {
      const part = parts.get(name)
      if (!part) return undefined
      const stream = part.topic.source.stream(partition)
      // The state decides what of the log is settled: without it the log cannot be read either.
      for (const needed of [stream, stateStream(partition)]) {
        if (guards.get(needed)!.isRemade()) throw new StreamRemade(needed)
      }
      return isOpen ? part : null
    },
    end: (name) => parts.get(name)?.end() ?? 0,
    identity: () => streams.map((stream) => guards.get(stream)!.made()).join(' '),
    problems: () => [
      ...remade().map((stream) => `stream ${stream} was made anew: this server must be started again`),
      ...(isOpen ? [] : [`partition ${partition} cannot be read`]),
      ...(trouble === null ? [] : [`partition ${partition}: ${trouble}`]),
    ],
    async stop() {
      clearInterval(watching)
      stopping.abort()
      await done
    },
  }
}
