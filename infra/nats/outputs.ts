import type { CheckpointFeed } from '#gateway/ports.ts'
import { type CheckpointOutputs, type OutputFeed, OutputsGone } from '#processors/ports.ts'
import type { AggregateRow, LateEvent, Settlement } from '#schema/checkpoint.ts'
import { mergeSegments } from '#schema/segment-merge.ts'
import { HEADERS, logStream, outputFilters, settledSubject, stateStream } from '#schema/subjects.ts'
import type { Broker, StoredMessage } from './broker.ts'
import { consumeOnce, pause } from './follow.ts'
import { toLogMessage } from './log.ts'
import { createStateStore } from './state.ts'

const RETRY_MS = 200

const checkpointOf = (message: StoredMessage): number => Number(message.header(HEADERS.checkpoint) || 0)

/**
 * Stream sequence from which the outputs of the checkpoints after `after` stand. Binary search over the settlements:
 * their numbers grow with the sequence.
 */
const startOf = async (broker: Broker, partition: number, after: number): Promise<number> => {
  const stream = stateStream(partition)
  const { first, last } = await broker.range(stream)
  let low = Math.max(1, first)
  let start = low
  let high = last
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const message = await broker.next(stream, settledSubject(partition), middle)
    if (message && checkpointOf(message) <= after) {
      start = message.seq + 1
      low = message.seq + 1
    } else high = middle - 1
  }
  return start
}

const decoder = new TextDecoder()
const lines = <T>(data: Uint8Array): T[] =>
  decoder
    .decode(data)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)

/** Collects the messages of one checkpoint; gives them when its settlement, the last of them, has come. */
const collector = (partition: number, after: number) => {
  let expected = after + 1
  let aggregates: StoredMessage[] = []
  let late: StoredMessage[] = []
  const reset = (): void => {
    aggregates = []
    late = []
  }
  const finish = (message: StoredMessage): CheckpointOutputs | undefined => {
    const settlement = JSON.parse(decoder.decode(message.data)) as Settlement
    const mine = (part: StoredMessage): boolean => checkpointOf(part) === settlement.checkpoint
    const [ownAggregates, ownLate] = [aggregates.filter(mine), late.filter(mine)]
    reset()
    if (settlement.checkpoint < expected) return undefined
    const whole = ownAggregates.length === settlement.aggregates && ownLate.length === settlement.late
    if (settlement.checkpoint > expected || !whole) throw new OutputsGone(partition, expected)
    expected++
    return {
      settlement,
      aggregates: ownAggregates.flatMap(({ data }) => lines<AggregateRow>(data)),
      late: ownLate.flatMap(({ data }) => lines<LateEvent>(data)),
    }
  }
  return {
    reset,
    last: () => expected - 1,
    add(message: StoredMessage): CheckpointOutputs | undefined {
      if (message.subject.startsWith('aggregates.')) aggregates.push(message)
      else if (message.subject.startsWith('late_events.')) late.push(message)
      else return finish(message)
      return undefined
    },
  }
}

/** Checkpoints after `after`, whole and in order; ends only when aborted, throws OutputsGone at a hole. */
async function* checkpoints(
  broker: Broker,
  partition: number,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<CheckpointOutputs> {
  const stream = stateStream(partition)
  const parts = collector(partition, after)
  while (!signal.aborted) {
    parts.reset()
    const from = async () => ({
      start: await startOf(broker, partition, parts.last()),
      filters: Object.values(outputFilters(partition)),
    })
    for await (const message of consumeOnce(broker, stream, from, signal)) {
      const outputs = parts.add(message)
      if (outputs) yield outputs
    }
    await pause(RETRY_MS, signal)
  }
}

/**
 * Messages from..to of a log, by batches of direct gets. Ends early where the log has expired. A replica that is behind
 * answers nothing for what the leader has: asked again.
 */
async function* readFrames(broker: Broker, partition: number, from: number, to: number) {
  const stream = logStream(partition)
  for (let next = from; next <= to; ) {
    let got = 0
    for await (const message of broker.batch(stream, next, Math.min(to - next + 1, 256))) {
      if (message.seq > to) break
      got++
      next = message.seq + 1
      yield toLogMessage(message)
    }
    if (got > 0) continue
    if ((await broker.range(stream)).first > next) return
    await pause(RETRY_MS)
  }
}

export const createOutputFeed = (broker: Broker): OutputFeed => ({
  read: (partition, after, signal) => checkpoints(broker, partition, after, signal),
  frames: (partition, from, to) => readFrames(broker, partition, from, to),
})

export const createCheckpointFeed = (broker: Broker): CheckpointFeed => ({
  async load(partition) {
    const store = createStateStore(broker, partition)
    for (let tries = 0; ; tries++) {
      const { head } = await store.head()
      if (!head) return null
      try {
        const { rows, clocks, definitions } = mergeSegments(await Promise.all(head.manifest.map(store.readSegment)))
        return { head, rows, clocks, definitions }
      } catch (error) {
        // A segment was merged away between the head and it: the next head does not name it.
        if (tries >= 20) throw error
        await pause(RETRY_MS)
      }
    }
  },
  async follow(partition, after, onCheckpoint, onGap) {
    const stopped = new AbortController()
    const run = async (): Promise<void> => {
      for await (const { settlement, aggregates } of checkpoints(broker, partition, after, stopped.signal)) {
        onCheckpoint({ settlement, rows: aggregates })
      }
    }
    const done = run().catch((error: unknown) => {
      if (error instanceof OutputsGone) onGap()
      else throw error
    })
    return {
      async stop() {
        stopped.abort()
        await done
      },
    }
  },
})
