import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { memberHash } from '#schema/hash.ts'
import { estimate, packedRank, RANKS, REGISTERS } from '#schema/measures/hyperloglog.ts'
import { bucketOf, bucketValue, MOST } from '#schema/measures/quantiles.ts'
import { stateOf } from '#schema/measures/testing.ts'
import { measureOf } from '#schema/measures.ts'
import { MEASURE_MACROS } from './measure-macros.ts'

let instance: DuckDBInstance
let connection: DuckDBConnection
beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:')
  connection = await instance.connect()
  for (const statement of MEASURE_MACROS) await connection.run(statement)
})
afterAll(() => {
  connection.closeSync()
  instance.closeSync()
})

/** `sql` of each number in turn, which it has as x. */
const each = async (numbers: readonly number[], type: string, sql: string): Promise<unknown[]> => {
  const values = JSON.stringify(numbers)
  const asked = `SELECT ${sql} FROM (SELECT unnest(from_json($1, '["${type}"]')) AS x)`
  return (await connection.runAndReadAll(asked, [values])).getRows().map(([value]) => value)
}

it('the value of every bucket there is is the same', async () => {
  const most = bucketOf(MOST)
  const buckets = Array.from({ length: 2 * most + 1 }, (_, i) => i - most)
  expect(await each(buckets, 'INTEGER', 'bucket_value(x)')).toEqual(buckets.map(bucketValue))
})

it('register and rank of a member are the same', async () => {
  const edges = Array.from({ length: 53 }, (_, bit) => [2 ** bit - 1, 2 ** bit, 2 ** 39 + 2 ** bit]).flat()
  const members = [...edges, ...Array.from({ length: 5_000 }, (_, i) => memberHash(`${i}`))].map((one) => one % 2 ** 53)
  expect(await each(members, 'BIGINT', 'packed_rank(x)')).toEqual(members.map(packedRank))
})

it('estimates are the same, however many registers are set', async () => {
  const ranks = new Uint8Array(REGISTERS)
  const asked: [registers: number, sum: number][] = []
  const expected: number[] = []
  for (let i = 0; i < 100_000; i++) {
    const packed = packedRank(memberHash(`${i}`))
    const index = Math.floor(packed / RANKS)
    ranks[index] = Math.max(ranks[index], packed % RANKS)
    if (i > 2_000 ? i % 1_000 > 0 : i % 10 > 0) continue
    const set = [...ranks].filter((rank) => rank > 0)
    asked.push([set.length, set.reduce((sum, rank) => sum + 2 ** -rank, 0)])
    expected.push(Math.round(estimate(ranks)))
  }
  const sql = `SELECT hll_estimate(x[1], x[2]) FROM (SELECT unnest(from_json($1, '[["DOUBLE"]]')) AS x)`
  const answer = await connection.runAndReadAll(sql, [JSON.stringify(asked)])
  expect(answer.getRows().map(([value]) => value)).toEqual(expected)
})

it('numbers are rounded as JavaScript does, halves too', async () => {
  const sum = measureOf({ kind: 'SUM', field: 'a' })
  const halves = fc
    .tuple(fc.integer({ min: 10 ** 13, max: 10 ** 14 }), fc.nat(12))
    .map(([n, k]) => (n * 10 + 5) / 2 ** k)
  const numbers = fc.oneof(
    fc.double({ noNaN: true, min: -1e280, max: 1e280 }),
    halves,
    halves.map((one) => -one),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(numbers, { minLength: 1, maxLength: 200, size: 'max' }), async (list) => {
      const values = list.map((one) => one + 0)
      expect(await each(values, 'DOUBLE', 'stable(x)')).toEqual(values.map((one) => sum.value(stateOf(sum, [one]))))
    }),
  )
})
