import { appendFile, rm } from 'node:fs/promises'
import type { ChunkRows, EncodedFile, PlainLines } from '#processors/ports.ts'
import {
  type ArchiveGroup,
  type ArchiveOutcome,
  archiveFolder,
  columnsOf,
  type EVENT_COLUMNS,
} from '#schema/archive.ts'
import { quote } from '../duckdb/open.ts'
import { PlacedLines, SERVER_COLUMNS } from '../duckdb/placed-lines.ts'

/** Text that waits to be appended to the files of a chunk. */
const MOST_WAITING = 1_000_000

const isTime = (type: string): boolean => type === 'TIMESTAMP'

/** Columns as they are spooled: times in milliseconds. */
const spoolColumns = (outcome: ArchiveOutcome): Record<string, string> =>
  Object.fromEntries(
    Object.entries(columnsOf(outcome)).map(([name, { type }]) => [name, isTime(type) ? 'BIGINT' : type]),
  )

/** The same as they stand in the files. */
const fromSpool = (outcome: ArchiveOutcome): string =>
  Object.entries(columnsOf(outcome))
    .map(([name, { type }]) => (isTime(type) ? `epoch_ms("${name}") AS "${name}"` : `"${name}"`))
    .join(', ')

/** Columns of plain lines. */
const PLAIN_COLUMNS = {
  ...SERVER_COLUMNS,
  e: `STRUCT(id VARCHAR, name VARCHAR, "time" VARCHAR, "sessionId" VARCHAR, "userId" VARCHAR, "anonymousId" VARCHAR,
    properties VARCHAR, context VARCHAR, "schemaVersion" INTEGER)`,
}

/** The row of a plain line, as toEventRow has it. */
const FROM_PLAIN: Record<keyof typeof EVENT_COLUMNS, string> = {
  tenant: 'tenant',
  source: 'source',
  id: 'e.id',
  name: 'e.name',
  time: 'epoch_ms("time")',
  received_at: 'epoch_ms("receivedAt")',
  session_id: 'key',
  user_id: 'e."userId"',
  anonymous_id: 'e."anonymousId"',
  properties: 'e.properties',
  context: 'e.context',
  country: 'country',
  browser: 'browser',
  os: 'os',
  device: 'device',
  weight: 'weight',
  schema_version: 'schema',
  partition: 'p',
  sequence: 's',
  index: 'i',
  sent_time: 'e."time"',
  sent_session: 'e."sessionId" IS NOT NULL',
  sent_schema_version: 'e."schemaVersion"',
  line: 'NULL::VARCHAR',
}
const SELECT_PLAIN = Object.entries(FROM_PLAIN)
  .map(([name, sql]) => `${sql} AS "${name}"`)
  .join(', ')

const ndjson = (path: string, columns: string): string =>
  `read_json(${quote(path)}, format = 'newline_delimited', columns = ${columns})`

const columnsSql = (columns: Record<string, string>): string =>
  `{${Object.entries(columns)
    .map(([name, type]) => `"${name}": ${quote(type)}`)
    .join(', ')}}`

/** Rows of a group on their way into its file. */
interface GroupSpool {
  /** Files of plain lines and of rows. */
  plainPath: string
  rowsPath: string
  plain: PlacedLines | null
  rows: string[]
  hasPlain: boolean
  hasRows: boolean
}

/** What a group's file is made of. Where some rows had to be made one by one, all are put in order. */
const selectOf = ({ plainPath, rowsPath, hasPlain, hasRows }: GroupSpool, outcome: ArchiveOutcome): string => {
  const plain = `SELECT ${SELECT_PLAIN} FROM ${ndjson(plainPath, columnsSql(PLAIN_COLUMNS))}`
  const rows = `SELECT ${fromSpool(outcome)} FROM ${ndjson(rowsPath, columnsSql(spoolColumns(outcome)))}`
  if (!hasRows) return plain
  return hasPlain ? `SELECT * FROM (${plain} UNION ALL ${rows}) ORDER BY "partition", sequence, "index"` : rows
}

/** Rows of a chunk in files of newline-delimited JSON, two a group. */
export const createSpooledChunk = (
  fresh: (ending: string) => string,
  write: (select: string) => Promise<EncodedFile>,
): ChunkRows => {
  const spools = new Map<string, GroupSpool>()
  let waiting = new Set<GroupSpool>()
  let size = 0

  const flush = async (): Promise<void> => {
    const spooled = waiting
    waiting = new Set()
    size = 0
    for (const spool of spooled) {
      const { plainPath, rowsPath, plain, rows } = spool
      if (plain) await appendFile(plainPath, plain.bytes())
      if (rows.length > 0) await appendFile(rowsPath, rows.join(''))
      // An import may reach thousands of days: none of them keeps what it has written.
      spool.plain = null
      spool.rows = []
    }
  }
  const spoolOf = (group: ArchiveGroup): GroupSpool => {
    const key = archiveFolder(group)
    const spool = spools.get(key) ?? {
      ...{ plainPath: fresh('lines.ndjson'), rowsPath: fresh('rows.ndjson'), plain: null, rows: [] },
      ...{ hasPlain: false, hasRows: false },
    }
    spools.set(key, spool)
    return spool
  }
  const addPlain = (spool: GroupSpool, lines: PlainLines): void => {
    spool.plain ??= new PlacedLines()
    const before = spool.plain.length
    spool.plain.addEvents(lines.partition, lines)
    spool.hasPlain = true
    size += spool.plain.length - before
  }
  return {
    async add({ group, rows, plain }) {
      const spool = spoolOf(group)
      waiting.add(spool)
      if (plain) addPlain(spool, plain)
      for (const row of rows) {
        const line = `${JSON.stringify(row)}\n`
        spool.rows.push(line)
        spool.hasRows = true
        size += line.length
      }
      if (size >= MOST_WAITING) await flush()
    },
    async encode(group) {
      await flush()
      return write(selectOf(spoolOf(group), group.outcome))
    },
    async discard() {
      waiting.clear()
      for (const { plainPath, rowsPath } of spools.values()) {
        await rm(plainPath, { force: true })
        await rm(rowsPath, { force: true })
      }
      spools.clear()
    },
  }
}
