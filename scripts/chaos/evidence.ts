import type { Nats } from '#infra/nats/connect.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { ask } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { readSettlements } from '#infra/testing/settlements.ts'
import type { Store } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import { logStream } from '#schema/subjects.ts'
import { PARTITIONS } from './arena.ts'
import type { StoredEvent, StoredLetter } from './judge.ts'
import { orderProblems } from './order.ts'

const SETTLES_MS = 120_000
/** Every partition. */
export const EVERY = Array.from({ length: PARTITIONS }, (_, partition) => partition)

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

/** All rows, partition by partition: an answer of the store has a limit. */
export const readEvents = async (store: Store): Promise<StoredEvent[]> => {
  const all: StoredEvent[] = []
  for (const partition of EVERY) {
    const rows = await store.sql(
      `SELECT id, source, session_id, name, epoch_ms(time)::DOUBLE, user_id, properties, sequence::DOUBLE
       FROM raw_events WHERE "partition" = ${partition}`,
    )
    type Row = [string, string, string, string, number, string, string, number]
    for (const [id, source, key, name, timeMs, user, properties, sequence] of rows as Row[]) {
      all.push({ id, source, key, name, timeMs, user, properties: JSON.parse(properties), partition, sequence })
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

/** Query.ledger of the whole run, as numbers. */
export interface Ledger {
  accepted: number
  stored: number
  late: number
  duplicate: number
  balanced: boolean
}

const DAY_MS = 86_400_000

/** Wherever the clocks of clients may stand. */
export const wholeRange = (): { from: string; to: string } => {
  const [from, to] = [Date.now() - 5 * DAY_MS, Date.now() + 3 * DAY_MS].map((ms) => new Date(ms).toISOString())
  return { from, to }
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

/** Where the clocks of each partition stand, milliseconds since 1970, by source. */
export type Clocks = readonly ReadonlyMap<string, number>[]

export interface Settled {
  /** What should hold along the settlements and does not. */
  problems: string[]
  /** Events that processors counted, over all partitions. */
  counted: number
  /** Owners that each partition has had, over all partitions. */
  epochs: number
  clocks: Clocks
}

/** What all settlements say until now. */
export const readSettled = async (nats: Nats): Promise<Settled> => {
  const clocks = EVERY.map(() => new Map<string, number>())
  const settled: Settled = { problems: [], counted: 0, epochs: 0, clocks }
  for (const partition of EVERY) {
    const settlements = await readSettlements(nats, partition)
    settled.problems.push(...orderProblems(settlements))
    settled.epochs += settlements.at(-1)?.epoch ?? 0
    for (const { totals, clocks: changed } of settlements) {
      for (const { C } of Object.values(totals)) settled.counted += C
      for (const { source, watermark } of changed) clocks[partition].set(source, watermark)
    }
  }
  return settled
}
