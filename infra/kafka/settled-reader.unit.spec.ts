import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Broker, StoredMessage } from '#infra/nats/broker.ts'
import { type Settlement, STATE_FORMAT } from '#schema/checkpoint.ts'
import { HEADERS, logStream, stateStream } from '#schema/subjects.ts'
import { createByteBudget } from './byte-budget.ts'
import { toSettled } from './settled.ts'
import { createSettledReader } from './settled-reader.ts'
import { endOf, TOPICS, type Topic } from './topics.ts'

/** What a checkpoint of the model is. */
interface Step {
  frames: ('events' | 'control' | 'expired')[]
  aggregates: number
  late: number
  /** Messages of state before it. */
  state: number
}

type Streams = Record<string, StoredMessage[]>

const message = (subject: string, seq: number, text: string, headers: Record<string, string> = {}): StoredMessage => ({
  subject,
  seq,
  storedAt: 1_000 + seq,
  data: new TextEncoder().encode(text),
  header: (name) => headers[name] ?? '',
})

/** Streams of partition 0, as gateways and a processor write them. */
const write = (steps: readonly Step[]): Streams => {
  const log: StoredMessage[] = []
  const state: StoredMessage[] = []
  let logged = 0
  let at = 0
  for (const [i, { frames, aggregates, late, state: others }] of steps.entries()) {
    const from = logged + 1
    const missing: { from: number; to: number }[] = []
    for (const kind of frames) {
      logged++
      if (kind === 'expired') missing.push({ from: logged, to: logged })
      else log.push(message('user_events.0', logged, `frame ${logged}`, { [HEADERS.kind]: kind }))
    }
    for (let n = 0; n < others; n++) state.push(message('$KV.window_state_0.segment', ++at, 'state'))
    const number = { [HEADERS.checkpoint]: String(i + 1) }
    for (let n = 0; n < aggregates; n++) {
      at++
      state.push(message('aggregates.main.views.0', at, `rows ${at}`, number))
    }
    for (let n = 0; n < late; n++) state.push(message('late_events.main.0', ++at, 'late'))
    const settlement: Settlement = {
      format: STATE_FORMAT,
      partition: 0,
      checkpoint: i + 1,
      epoch: 1,
      from,
      to: logged,
      missing,
      aggregates,
      late,
      totals: {},
      outcomes: {},
      clocks: [],
      definitions: [],
      at: 0,
    }
    state.push(message('settled.0', ++at, JSON.stringify(settlement)))
    state.push(message('$KV.window_state_0.head', ++at, 'head'))
  }
  return { [logStream(0)]: log, [stateStream(0)]: state }
}

const matches = (filter: string, subject: string): boolean =>
  new RegExp(`^${filter.replaceAll('$', '\\$').replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`).test(subject)

/**
 * The leader knows everything; answers of replicas are cut as `luck` says: 1 is whole, 0 is nothing. A negative one leaves
 * out a single message: the first, or one so far on.
 */
const brokerOf = (streams: Streams, luck: () => number): Broker => {
  const find = (stream: string, filter: string, seq: number): StoredMessage[] =>
    streams[stream].filter((one) => one.seq >= seq && matches(filter, one.subject))
  const broker: Pick<Broker, 'batch' | 'next' | 'range'> = {
    async *batch(stream, sequence, count, { filter = '>', bytes = 1e9 } = {}) {
      const found = find(stream, filter, sequence).slice(0, count)
      const share = luck()
      if (share < 0) found.splice(Math.floor(found.length * (1 + share)), 1)
      let left = bytes
      for (const one of share < 0 ? found : found.slice(0, Math.ceil(found.length * share))) {
        yield one
        left -= one.data.length
        if (left <= 0) return
      }
    },
    next: async (stream, subject, sequence) => find(stream, subject, sequence)[0] ?? null,
    range: async (stream) => ({
      first: streams[stream][0]?.seq ?? 0,
      last: streams[stream].at(-1)?.seq ?? 0,
      bytes: 0,
      made: '',
    }),
  }
  return broker as Broker
}

const askerOf = (streams: Streams, luck: () => number) => ({
  broker: brokerOf(streams, luck),
  asked: createByteBudget(1e9),
})

const step: fc.Arbitrary<Step> = fc.record({
  frames: fc.array(fc.constantFrom('events' as const, 'events' as const, 'control' as const, 'expired' as const), {
    maxLength: 4,
  }),
  aggregates: fc.nat(3),
  late: fc.nat(2),
  state: fc.nat(2),
})
const scene = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 12 }),
  /** What has expired: of each stream and subject the first so many messages. */
  gone: fc.record({ log: fc.nat(12), aggregates: fc.nat(12), settled: fc.nat(4) }),
  luck: fc.array(fc.constantFrom(0, 0.3, 0.7, 1, 1, -1, -0.5), { minLength: 1, maxLength: 7 }),
  bytes: fc.constantFrom(1, 20, 1_000),
})

/** Messages of a topic that were ever written, and the records among them. */
const everWritten = (streams: Streams, topic: Topic) => {
  const isOfTopic = ({ subject }: StoredMessage): boolean =>
    matches(topic.source.filter(0), subject) || (topic.withSettlements && subject === 'settled.0')
  const messages = streams[topic.source.stream(0)].filter(isOfTopic)
  const records = messages.filter(({ header }) => header(HEADERS.kind) !== 'control')
  return { messages: messages.map(({ seq }) => seq), records: records.map(({ seq }) => seq) }
}

test.each([
  'user_events',
  'aggregates',
  // Rows for Druid are another's matter: what is read and in which order is the same for any text.
  'olap_aggregates',
])(
  '%s: from any offset on it gives everything or says that something is gone, whatever replicas leave out',
  async (name) => {
    const topic = {
      ...TOPICS.find((one) => one.name === name)!,
      ...(name === 'olap_aggregates' ? { render: ({ data }: StoredMessage) => data } : {}),
    }
    const outcomes = { whole: 0, gone: 0 }
    await fc.assert(
      fc.asyncProperty(scene, async ({ steps, gone, luck, bytes }) => {
        const streams = write(steps)
        const { messages, records: all } = everWritten(streams, topic)
        const drop = (stream: string, subject: string, count: number): void => {
          let left = count
          streams[stream] = streams[stream].filter((one) => !matches(subject, one.subject) || left-- <= 0)
        }
        const settlements = streams[stateStream(0)].filter(({ subject }) => subject === 'settled.0')
        const end = endOf(topic, toSettled(settlements.at(-1)!))
        drop(logStream(0), 'user_events.0', gone.log)
        drop(stateStream(0), 'aggregates.main.views.0', gone.aggregates)
        drop(stateStream(0), 'settled.0', gone.settled)
        const left = new Set(streams[topic.source.stream(0)].map(({ seq }) => seq))
        let turn = 0
        const reader = createSettledReader(
          askerOf(streams, () => luck[turn++ % luck.length]),
          topic,
          0,
        )
        for (let from = 1; from < end; from++) {
          const wanted = all.filter((seq) => seq >= from && seq < end)
          const found: number[] = []
          let next: number | null = from
          for (let rounds = 0; next !== null && next < end; rounds++) {
            expect(rounds).toBeLessThan(500)
            const records = await reader.read(next, bytes)
            // No answer leads backwards, and none stands still for ever: the leader is asked in the end.
            if (records) expect(records.next).toBeGreaterThanOrEqual(next)
            for (const { offset } of records?.entries ?? []) found.push(offset)
            next = records?.next ?? null
          }
          const read = wanted.slice(0, found.length)
          expect(found).toEqual(read)
          if (next === null) {
            outcomes.gone++
            // A settlement has gone, or a message of which only a look could tell that it was no record.
            const until = wanted[found.length] ?? end
            const isLost = (seq: number): boolean => seq >= from && seq <= until && !left.has(seq)
            expect(gone.settled > 0 || messages.some(isLost)).toBe(true)
          } else {
            outcomes.whole++
            expect(found).toEqual(wanted)
          }
        }
      }),
      { numRuns: 300 },
    )
    expect(Math.min(outcomes.gone, outcomes.whole)).toBeGreaterThan(100)
  },
)

test('where nothing has gone everything is read from everywhere', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const streams = write(steps)
      for (const topic of TOPICS.slice(0, 2)) {
        const reader = createSettledReader(
          askerOf(streams, () => 1),
          topic,
          0,
        )
        const { records: all } = everWritten(streams, topic)
        const end = (all.at(-1) ?? 0) + 1
        for (let from = 0; from < end; from++) {
          const found: number[] = []
          for (let next = from; next < end; ) {
            const records = await reader.read(next, 1e6)
            expect(records).not.toBeNull()
            for (const { offset } of records!.entries) found.push(offset)
            expect(records!.next).toBeGreaterThan(next)
            next = records!.next
          }
          expect(found).toEqual(all.filter((seq) => seq >= from))
        }
      }
    }),
    { numRuns: 200 },
  )
})
