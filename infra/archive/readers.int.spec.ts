import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensurePackages, PYARROW } from '#infra/testing/python.ts'
import { frameRows } from '#processors/archive/frame-rows.ts'
import { eventLine, T0 } from '#processors/storage/fixtures.ts'
import { type ArchiveOutcome, archiveFolder, columnsOf } from '#schema/archive.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { createDuck, type Duck } from './duck.ts'
import { openFolder } from './folder.ts'
import { createParquetFiles } from './parquet.ts'

const DAY = 86_400_000
const pyarrow = ensurePackages(PYARROW, process.env, console.error)
const WHY = 'no PyArrow could be had: pip install pyarrow'
if (!pyarrow && process.env.CI) throw new Error(WHY)
if (!pyarrow) console.error(WHY)

let folder: string
let archive: string
let duck: Duck
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-readers-'))
  archive = join(folder, 'archive')
  duck = createDuck({ folder })
  await mkdir(archive)
  const store = await openFolder(archive)
  const files = await createParquetFiles(duck, store, join(folder, 'spool'))
  const e = {
    sessionId: 'käse "quoted" \\ \n 🐭',
    userId: 'u',
    time: '2024-05-01T12:00:00.123456789+02:00',
    properties: { path: '/x', nested: { list: [1, 2.5, null, 'ü'] }, big: 9_007_199_254_740_991 },
    context: {},
    schemaVersion: 3,
  }
  const lines = [
    eventLine('a', { key: e.sessionId, country: 'NL', browser: 'Firefox', weight: 12.5, schema: 3, e }),
    eventLine('b', { time: T0 - DAY, source: 'import-1' }),
    eventLine('c', { tenant: 'other', time: Date.UTC(1970, 0, 2), e: { anonymousId: 'n', properties: { n: 1e21 } } }),
    eventLine('late', { time: T0 - 3 * DAY }),
    eventLine('d', { time: Date.UTC(9999, 11, 31) }),
  ].map((line) => JSON.stringify(line))
  const settlement = { partition: 3, outcomes: { 4711: '3C1L1C1I' } } as unknown as Settlement
  const data = new TextEncoder().encode([...lines, '{"broken": "ü'].join('\n'))
  const chunk = await files.chunk()
  for (const lines of frameRows(settlement, { sequence: 4_711, storedAt: T0, kind: 'events', data })) {
    const { group } = lines
    await chunk.add(lines)
    const file = await chunk.encode(group)
    await store.put(`${archiveFolder(group)}/x.parquet`, file.body, null)
    await file.discard()
  }
  await chunk.discard()
})
afterAll(async () => {
  await duck.close()
  await rm(folder, { recursive: true })
})

interface Read {
  types: Record<string, string>
  rows: Record<string, unknown>[]
}

/** As DuckDB reads it, times in microseconds. */
const withDuck = async (outcome: ArchiveOutcome): Promise<Read> => {
  const from = `read_parquet('${archive}/${outcome}/*/*/*.parquet', hive_partitioning = true)`
  const types = Object.fromEntries(await duck.rows(`SELECT column_name, column_type FROM (DESCRIBE FROM ${from})`))
  const columns = Object.entries(types).map(([name, type]) => {
    if (type === 'TIMESTAMP') return `epoch_us("${name}")::DOUBLE AS "${name}"`
    return type === 'BIGINT' || type === 'DATE'
      ? `"${name}"::${type === 'DATE' ? 'VARCHAR' : 'DOUBLE'} AS "${name}"`
      : `"${name}"`
  })
  const rows: Record<string, unknown>[] = []
  for await (const some of duck.stream(`SELECT ${columns.join(', ')} FROM ${from}`)) rows.push(...some)
  return { types: types as Record<string, string>, rows }
}

/** Names of the same types in PyArrow. A day is read from the folder's name, as text. */
const ARROW: Record<string, string> = {
  VARCHAR: 'string',
  TIMESTAMP: 'timestamp[us]',
  DOUBLE: 'double',
  INTEGER: 'int32',
  BIGINT: 'int64',
  BOOLEAN: 'bool',
  DATE: 'string',
}

const place = (row: Record<string, unknown>): string => `${row.partition} ${row.sequence} ${row.index}`
const sorted = (rows: Record<string, unknown>[]) => [...rows].sort((a, b) => (place(a) < place(b) ? -1 : 1))

describe.each(['events', 'late', 'invalid'] as const)('%s', (outcome) => {
  it('are read by DuckDB with the columns that are promised', async () => {
    const { types, rows } = await withDuck(outcome)
    const promised = Object.fromEntries(Object.entries(columnsOf(outcome)).map(([name, { type }]) => [name, type]))
    expect(types).toEqual({ ...promised, date: 'DATE' })
    expect(rows).toHaveLength(outcome === 'events' ? 4 : 1)
  })

  it.skipIf(!pyarrow)('are the same types and rows for PyArrow', async () => {
    const { command, env } = pyarrow!
    const script = join(import.meta.dirname, 'fixtures/read.py')
    const { stdout } = await promisify(execFile)(command, [script, join(archive, outcome)], { env })
    const read = JSON.parse(stdout) as Read & { compressions: string[] }
    const { types, rows } = await withDuck(outcome)
    const expected = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, ARROW[type]]))
    expect(read.types).toEqual(expected)
    expect(sorted(read.rows)).toEqual(sorted(rows))
    expect(read.compressions).toEqual(['ZSTD'])
  })
})
