import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { withLines, withRows, withSparseRows } from './given-rows.ts'
import { readPrepared, runPrepared } from './prepared.ts'
import { createSpool, type Spool } from './spool.ts'

const COLUMNS = { name: 'VARCHAR', n: 'BIGINT', x: 'DOUBLE', list: 'DOUBLE[][]', json: 'JSON' }
const insert = (table: string): string => `INSERT INTO given SELECT name, n, x, list, json FROM ${table}`

let folder: string
let instance: DuckDBInstance
let connection: DuckDBConnection
let spool: Spool

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-given-'))
  instance = await DuckDBInstance.create(':memory:')
  connection = await instance.connect()
  spool = createSpool(folder)
})
afterAll(async () => {
  connection.closeSync()
  instance.closeSync()
  await rm(folder, { recursive: true })
})
beforeEach(() =>
  connection.run(
    'CREATE OR REPLACE TABLE given (name VARCHAR NOT NULL, n BIGINT, x DOUBLE, list DOUBLE[][], json JSON)',
  ),
)

const given = async (): Promise<unknown[][]> => (await connection.runAndReadAll('FROM given ORDER BY n')).getRowsJson()

/** Of the texts that an event may hold, long enough together for a file where there are many. */
const row = (n: number) => ({
  name: `"${n}" \\ 'ü' 𝄞 \n \u0000`,
  n,
  x: n / 3,
  list: [[n, 0.5], []],
  json: { deep: [1e21, 12345678901234567890n.toString(), null, { n }], text: 'x'.repeat(50) },
})
const linesOf = (count: number): string[] => Array.from({ length: count }, (_, n) => JSON.stringify(row(n)))
/** More than a megabyte. */
const MANY = 10_000

describe.each([
  ['withRows', (lines: string[]) => withRows(connection, spool, lines, COLUMNS, insert)],
  ['withSparseRows', (lines: string[]) => withSparseRows(connection, spool, lines, COLUMNS, insert)],
  [
    'withLines',
    (lines: string[]) => withLines(connection, spool, Buffer.from(`${lines.join('\n')}\n`), COLUMNS, insert),
  ],
])('%s', (name, write) => {
  it('says of few rows what it says of many', async () => {
    const lines = linesOf(MANY)
    await write(lines)
    const many = await given()
    await connection.run('DELETE FROM given')
    for (let at = 0; at < MANY; at += 1_000) await write(lines.slice(at, at + 1_000))
    expect(await given()).toEqual(many)
    expect(many[7].slice(0, 3)).toEqual([row(7).name, '7', 7 / 3])
    expect(JSON.parse(many[7][4] as string)).toEqual(row(7).json)
  })

  it.each([1, MANY])('refuses what is no JSON, and a row without what a table must have (%d rows)', async (count) => {
    const lines = linesOf(count)
    for (const bad of ['{"name":"a"', '{"name":null,"n":1,"x":1,"list":null,"json":null}']) {
      await expect(write([...lines, bad])).rejects.toThrow(/^(Invalid Input|Constraint) Error/)
    }
    expect(await given()).toEqual([])
  })

  if (name === 'withRows') return
  it.each([1, MANY])('takes a column that is not there for NULL (%d rows)', async (count) => {
    await write([...linesOf(count), '{"name":"short","n":-1}'])
    expect((await given())[0]).toEqual(['short', '-1', null, null, null])
  })
})

it('refuses text that is no UTF-8', async () => {
  const line = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n')])
  await expect(withLines(connection, spool, line, COLUMNS, insert)).rejects.toThrow(/Error/)
})

it('tells what does not fit a column, of strict rows', async () => {
  const line = JSON.stringify({ ...row(1), n: 'no number' })
  await expect(withRows(connection, spool, [line], COLUMNS, insert)).rejects.toThrow('Failed to cast value')
})

describe('a prepared statement', () => {
  it('must say the type of each parameter, or DuckDB plans it anew every time', async () => {
    await expect(runPrepared(connection, 'SELECT length($1)', ['abc'])).rejects.toThrow('$1 needs a cast')
    expect((await readPrepared(connection, 'SELECT length($1::VARCHAR)', ['abc'])).getRowsJson()).toEqual([['3']])
  })

  it('takes numbers for whatever its parameters are', async () => {
    const sql = 'SELECT $1::BIGINT, $2::DOUBLE, $3::INTEGER, $4::VARCHAR, $5::BOOLEAN'
    for (const big of [0, 5, 2 ** 40, -(2 ** 53)]) {
      const rows = (await readPrepared(connection, sql, [big, 2, 3, 'x', true])).getRowsJson()
      expect(rows).toEqual([[String(big), 2, 3, 'x', true]])
    }
    expect((await readPrepared(connection, sql, [null, null, null, null, null])).getRowsJson()).toEqual([
      [null, null, null, null, null],
    ])
  })
})
