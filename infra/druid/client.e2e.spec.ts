import { beforeAll, describe, expect, test } from 'vitest'
import { freshDruid, noDruid } from '../testing/druid.ts'
import { createDruidClient, type DruidClient } from './client.ts'

/** Takes a real Druid very long: sixteen million rows for the price of four thousand. */
const SLOW = `WITH t AS (SELECT * FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8)) AS v(n)),
  u AS (SELECT a.n FROM t a, t b, t c, t d)
  SELECT COUNT(*) FROM u a, u b WHERE a.n + b.n > 0`

describe.skipIf(noDruid)('SQL over HTTP, of a real Druid', () => {
  let url: string
  let client: DruidClient
  beforeAll(async () => {
    url = (await freshDruid()).url
    client = createDruidClient({ url, timeoutMs: 30_000 })
  })

  test('brings values there and back as they are', async () => {
    const text = `'; DROP TABLE x; -- "\\ \u0000 😀 ключ`
    const { columns, rows } = await client.query(
      'SELECT ? AS "t", CAST(? AS BIGINT) AS "n", CAST(? AS DOUBLE) AS "d"',
      [text, 2 ** 53 - 1, 0.1],
    )
    expect(columns).toEqual(['t', 'n', 'd'])
    expect(rows).toEqual([[text, 2 ** 53 - 1, 0.1]])
  })

  test.each([
    'SELEC 1',
    'SELECT nothing FROM nowhere',
    'SELECT 1; SELECT 2',
    'INSERT INTO x SELECT 1',
    'DROP TABLE x',
    '',
  ])('refuses %j', async (statement) => {
    await expect(client.query(statement)).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })

  test('bounds the answer', async () => {
    const many = 'SELECT * FROM (VALUES (1), (2), (3))'
    expect((await client.query(many, [], { mostRows: 3 })).rows).toHaveLength(3)
    await expect(client.query(many, [], { mostRows: 2 })).rejects.toMatchObject({ code: 'BAD_INPUT' })
  })

  test('gives up on what takes too long, and on what nobody waits for any more', async () => {
    const impatient = createDruidClient({ url, timeoutMs: 200 })
    await expect(impatient.query(SLOW)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const stopped = new AbortController()
    const answer = client.query(SLOW, [], { signal: stopped.signal })
    setTimeout(() => stopped.abort(new Error('gone')), 500)
    await expect(answer).rejects.toThrow('gone')
  })
})
