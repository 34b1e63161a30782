import type { Nats } from '#infra/nats/connect.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { ask, type MetricChoice, type Point, pointKey, readMetric } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { readSettlements } from '#infra/testing/settlements.ts'
import type { Store } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import { logStream } from '#schema/subjects.ts'
import { PARTITIONS } from './arena.ts'
import type { StoredEvent, StoredLetter } from './judge.ts'
import { orderProblems } from './order.ts'
import { comparable, type Windows } from './windows.ts'

const SETTLES_MS = 120_000
const EVERY = Array.from({ length: PARTITIONS }, (_, partition) => partition)

/** Resolves when all that stands in the log now is settled, and all of that is in the store. */
export const drained = async (nats: Nats, store: Store): Promise<void> => {
  const states = EVERY.map((partition) => createStateStore(nats.broker, partition))
  const lastOf = async (partition: number) => (await nats.jsm.streams.info(logStream(partition))).state.last_seq
  const ends = await until('an answer from nats-server', () => Promise.all(EVERY.map(lastOf)))
  const heads = () => Promise.all(states.map(async (state) => (await state.head()).head))
  const settled = await until(
    'the log is settled',
    async () => {
      const now = await heads()
      return ends.every((end, p) => (now[p]?.sequence ?? 0) >= end) && now
    },
    SETTLES_MS,
  )
  await until(
    'the store has what is settled',
    async () => {
      const rows = await store.sql('SELECT "partition"::DOUBLE, checkpoint::DOUBLE FROM positions')
      const stored = new Map(rows as [number, number][])
      return settled.every((head, p) => (stored.get(p) ?? 0) >= (head?.checkpoint ?? 0))
    },
    SETTLES_MS,
  )
}

const CONTENT = ['path', 'status', 'bytes', 'amount'].map((name) =>
  name === 'path' ? `properties->>'$.path'` : `(properties->>'$.${name}')::DOUBLE`,
)

/** All rows, partition by partition: an answer of the store has a limit. */
export const readEvents = async (store: Store): Promise<StoredEvent[]> => {
  const all: StoredEvent[] = []
  for (const partition of EVERY) {
    const rows = await store.sql(
      `SELECT id, session_id, name, epoch_ms(time)::DOUBLE, user_id, ${CONTENT} FROM raw_events WHERE "partition" = ${partition}`,
    )
    for (const [id, key, name, timeMs, user, ...content] of rows as [string, string, string, number, string, ...[]][]) {
      all.push({ id, key, name, timeMs, user, content })
    }
  }
  return all
}

export const readLetters = async (store: Store): Promise<StoredLetter[]> => {
  const rows = await store.sql(
    `SELECT id, session_id, code, epoch_ms(time)::DOUBLE, epoch_ms(watermark)::DOUBLE, epoch_ms(stored_at)::DOUBLE
     FROM dead_letters`,
  )
  return (rows as [string, string, string, number, number | null, number][]).map(
    ([id, key, code, timeMs, watermarkMs, storedMs]) => ({ id, key, code, timeMs, watermarkMs, storedMs }),
  )
}

/** Points of a metric as SQL has them, in all dimensions. */
export const readPoints = async (store: Store, view: 'minly_points' | 'hourly_points', metric: string) => {
  const rows = await store.sql(
    `SELECT window_start, dims, value, events::DOUBLE FROM ${view} WHERE metric = '${metric}'`,
  )
  return new Map(
    (rows as [string, (string | null)[], number | null, number][]).map(([windowStart, dimensions, value, events]) => [
      pointKey({ windowStart, dimensions }),
      [comparable(value), events],
    ]),
  ) as Windows
}

const DAY_MS = 86_400_000

/** Wherever the clocks of clients may stand. */
const wholeRange = (): { from: string; to: string } => {
  const [from, to] = [Date.now() - 5 * DAY_MS, Date.now() + 3 * DAY_MS].map((ms) => new Date(ms).toISOString())
  return { from, to }
}

/** Query.metric of every window that there may be. A gateway that is still being started is asked again. */
export const askWindows = (view: TestProduct, choice: MetricChoice): Promise<Map<string, Point>> =>
  until(`an answer to ${choice.name}`, () => readMetric(view, choice, wholeRange()))

/** Query.ledger of the whole run, as numbers. */
export interface Ledger {
  accepted: number
  stored: number
  late: number
  duplicate: number
  balanced: boolean
}

const LEDGER = `query ($from: DateTime!, $to: DateTime!) {
  ledger(from: $from, to: $to) { accepted stored late duplicate balanced }
}`

export const askLedger = async (view: TestProduct): Promise<Ledger> => {
  const { ledger } = await until('an answer to the ledger', () => ask<{ ledger: Ledger }>(view, LEDGER, wholeRange()))
  const { balanced, ...counts } = ledger
  const numbers = Object.entries(counts).map(([name, count]) => [name, Number(count)])
  return { ...(Object.fromEntries(numbers) as Omit<Ledger, 'balanced'>), balanced }
}

export interface Settled {
  /** What should hold along the settlements and does not. */
  problems: string[]
  /** Events that processors counted, over all partitions. */
  counted: number
  /** Owners that each partition has had, over all partitions. */
  epochs: number
}

export const readSettled = async (nats: Nats): Promise<Settled> => {
  const settled: Settled = { problems: [], counted: 0, epochs: 0 }
  for (const partition of EVERY) {
    const settlements = await readSettlements(nats, partition)
    settled.problems.push(...orderProblems(settlements))
    settled.epochs += settlements.at(-1)?.epoch ?? 0
    for (const { totals } of settlements) for (const { C } of Object.values(totals)) settled.counted += C
  }
  return settled
}
