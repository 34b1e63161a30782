import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart } from '#processors/ports.ts'
import type { LateEvent } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import type { RawLine } from './raw-rows.ts'
import type { Refused } from './refused.ts'
import type { Spool } from './spool.ts'
import { identitySql, idSql } from './tables.ts'

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

const STAGE = (table: string): string => `
CREATE OR REPLACE TEMP TABLE late AS
SELECT *, CASE WHEN code = 'LATE' THEN ${identitySql('tenant', 'source', 'key', 'id')} END AS identity FROM ${table}`

const KNOWN = `
CREATE OR REPLACE TEMP TABLE known AS
SELECT DISTINCT late.identity FROM late SEMI JOIN raw_events ON late.identity = raw_events.identity
UNION SELECT DISTINCT late.identity FROM late SEMI JOIN dead_letters ON late.identity = dead_letters.identity`

/** Of several copies in the batch the first in the log is the dead letter. */
const JUDGED = `
CREATE OR REPLACE TEMP TABLE judged AS
SELECT *, identity IS NOT NULL AND (identity IN (SELECT identity FROM known)
  OR row_number() OVER (PARTITION BY identity ORDER BY "partition", sequence, "index") > 1) AS repeated
FROM late`

const DUPLICATES = `
INSERT INTO counters
SELECT tenant, 'duplicate', count(*) FROM judged WHERE repeated GROUP BY tenant`

const REPEATED = `
INSERT INTO duplicates
SELECT tenant, source, id, key, epoch_ms("receivedAt"), "partition", sequence, "index", true, ${idSql('tenant', 'id')}
FROM judged WHERE repeated`

const DEAD = `
INSERT INTO dead_letters
SELECT tenant, source, id, name, key, code, message, NULL, event, epoch_ms(time), epoch_ms(coalesce("receivedAt", $1::BIGINT)),
  epoch_ms(watermark), "partition", sequence, "index", epoch_ms($1::BIGINT), refused, identity
FROM judged WHERE NOT repeated`

/**
 * Late events that are in raw_events or among the dead letters already are counted as duplicates, the others become dead
 * letters. Runs after the batch's own raw rows: the first copy of an event may be among them. One scan of one column of
 * each table for the whole batch.
 */
export const insertLate = async (
  connection: DuckDBConnection,
  spool: Spool,
  rows: readonly LateRow[],
  now: number,
): Promise<void> => {
  if (rows.length === 0) return
  const lines = rows.map((row) => JSON.stringify(row))
  await spool.with(lines, COLUMNS, (table) => connection.run(STAGE(table)))
  await connection.run(KNOWN)
  await connection.run(JUDGED)
  await connection.run(DUPLICATES)
  await connection.run(REPEATED)
  await connection.run(DEAD, [now])
}
