import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart } from '#processors/ports.ts'
import type { LateEvent } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { withRows } from './given-rows.ts'
import type { RepeatedRow } from './ledger-rows.ts'
import type { RawLine } from './raw-rows.ts'
import type { Refused } from './refused.ts'
import type { Spool } from './spool.ts'
import { identitySql } from './tables.ts'

/** A late event, or one that cannot be stored, as it is spooled. Times in milliseconds since 1970. */
interface LateRow {
  partition: number
  sequence: number
  index: number
  code: string
  message: string
  watermark: number | null
  tenant: string
  source: string | null
  key: string | null
  id: string
  name: string | null
  /** JSON text. */
  event: string
  time: number | null
  receivedAt: number | null
  /** The store could not hold it. */
  refused: boolean
}

const COLUMNS: Record<keyof LateRow, string> = {
  partition: 'INTEGER',
  sequence: 'BIGINT',
  index: 'INTEGER',
  code: 'VARCHAR',
  message: 'VARCHAR',
  watermark: 'BIGINT',
  tenant: 'VARCHAR',
  source: 'VARCHAR',
  key: 'VARCHAR',
  id: 'VARCHAR',
  name: 'VARCHAR',
  event: 'VARCHAR',
  time: 'BIGINT',
  receivedAt: 'BIGINT',
  refused: 'BOOLEAN',
}

/** Tenant of a line from which none can be read. */
const NO_TENANT = 'unknown'

const text = (value: unknown): string | null => (typeof value === 'string' ? value.toWellFormed() : null)
/** Years 1 to 9999: what a timestamp can hold everywhere. */
const [EARLIEST_MS, LATEST_MS] = [-62_135_596_800_000, 253_402_300_799_999]
const time = (value: unknown): number | null =>
  typeof value === 'number' && value >= EARLIEST_MS && value <= LATEST_MS ? Math.trunc(value) : null

const toRow = (partition: number, event: LateEvent): LateRow => {
  const line = event.line as Partial<EventLine> | null
  return {
    partition,
    sequence: event.sequence,
    index: event.index,
    code: event.code,
    message: event.message.toWellFormed(),
    watermark: time(event.watermark),
    tenant: text(line?.tenant) ?? event.tenant ?? NO_TENANT,
    source: text(line?.source),
    key: text(line?.key),
    // Every dead letter can be named, even one without an id: by its place in the log.
    id: text(line?.e?.id) ?? `${partition}-${event.sequence}-${event.index}`,
    name: text(line?.e?.name),
    event: JSON.stringify(line?.e ?? event.raw ?? null),
    time: time(line?.time),
    receivedAt: time(line?.receivedAt ?? event.receivedAt),
    refused: false,
  }
}

const parse = (line: string): { line: EventLine | null; raw?: string } => {
  try {
    return { line: JSON.parse(line) as EventLine }
  } catch {
    return { line: null, raw: line }
  }
}

const fromRefused = ({ item: { partition, sequence, index, line }, reason }: Refused<RawLine>): LateRow => ({
  ...toRow(partition, {
    sequence,
    index,
    code: 'INVALID',
    message: `the store cannot hold this event: ${reason}`,
    watermark: null,
    ...parse(line),
  }),
  refused: true,
})

/** A row that is no event: a change of a window, a definition. */
export interface OtherRow {
  partition: number
  /** Last of the log that its checkpoint settled. */
  sequence: number
  what: string
  value: object
}

/** It belongs to no event of a tenant, so it stands in nobody's books: operators see it. */
const fromOther = ({ item: { partition, sequence, what, value }, reason }: Refused<OtherRow>, index: number): LateRow =>
  toRow(partition, {
    sequence,
    index,
    code: 'REFUSED',
    message: `the store cannot hold ${what}: ${reason}`,
    watermark: null,
    line: null,
    raw: JSON.stringify(value),
  })

export const lateRows = (
  parts: readonly OlapPart[],
  refused: { lines: readonly Refused<RawLine>[]; others: readonly Refused<OtherRow>[] },
): LateRow[] => [
  ...parts.flatMap(({ partition, late }) => late.map((event) => toRow(partition, event))),
  ...refused.lines.map(fromRefused),
  ...refused.others.map(fromOther),
]

/** Of late events, by their number: what they are known by, and whether an event is stored that is known by it. */
const LATE_COLUMNS = { number: 'INTEGER', tenant: 'VARCHAR', source: 'VARCHAR', key: 'VARCHAR', id: 'VARCHAR' }
const knownSql = (table: string): string => `
WITH late AS MATERIALIZED (
  SELECT number, ${identitySql('tenant', 'source', 'key', 'id')} AS identity FROM ${table}),
known AS (
  SELECT late.identity FROM late SEMI JOIN raw_events ON late.identity = raw_events.identity
  UNION SELECT late.identity FROM late SEMI JOIN dead_letters ON late.identity = dead_letters.identity)
SELECT identity::VARCHAR, identity IN (SELECT identity FROM known) FROM late ORDER BY number`

interface JudgedRow extends LateRow {
  /** 64 bits as a decimal; null of what is not late. */
  identity: string | null
}

interface Judged {
  dead: JudgedRow[]
  /** Of events that are stored, or stand before it among the rows. */
  repeated: JudgedRow[]
}

const byPlace = (a: LateRow, b: LateRow): number =>
  a.partition - b.partition || a.sequence - b.sequence || a.index - b.index

/** Of several copies among the rows the first in the log is the dead letter. */
const judge = async (connection: DuckDBConnection, spool: Spool, rows: readonly LateRow[]): Promise<Judged> => {
  const late = rows.filter(({ code }) => code === 'LATE').sort(byPlace)
  const dead = rows.filter(({ code }) => code !== 'LATE').map((row): JudgedRow => ({ ...row, identity: null }))
  const repeated: JudgedRow[] = []
  if (late.length === 0) return { dead, repeated }
  const lines = late.map(({ tenant, source, key, id }, number) => JSON.stringify({ number, tenant, source, key, id }))
  const judged = await withRows(connection, spool, lines, LATE_COLUMNS, knownSql)
  const seen = new Set<string>()
  for (const [i, [identity, isKnown]] of ((await judged.getRows()) as [string, boolean][]).entries()) {
    const target = isKnown || seen.has(identity) ? repeated : dead
    target.push({ ...late[i], identity })
    seen.add(identity)
  }
  return { dead, repeated }
}

const DEAD_COLUMNS = { ...COLUMNS, identity: 'UBIGINT' }
const deadSql = (table: string): string => `
INSERT INTO dead_letters
SELECT tenant, source, id, name, key, code, message, NULL, event, epoch_ms(time), epoch_ms(coalesce("receivedAt", $1::BIGINT)),
  epoch_ms(watermark), "partition", sequence, "index", epoch_ms($1::BIGINT), refused, identity
FROM ${table}`

/**
 * Late events that are in raw_events or among the dead letters already are answered, as rows of duplicates; the others
 * become dead letters. Runs after the batch's own raw rows: the first copy of an event may be among them. One scan of one
 * column of each table for the whole batch.
 */
export const insertLate = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly LateRow[],
  now: number,
): Promise<RepeatedRow[]> => {
  if (rows.length === 0) return []
  const { dead, repeated } = await judge(connection, spool, rows)
  if (dead.length > 0) {
    const lines = dead.map((row) => JSON.stringify(row))
    await withRows(connection, spool, lines, DEAD_COLUMNS, deadSql, [now])
  }
  return repeated.map(({ tenant, source, id, key, receivedAt, partition, sequence, index }) => ({
    ...{ tenant, source, id, key, receivedAt, partition, sequence, index },
    late: true,
  }))
}
