import { beforeAll, describe, expect, test } from 'vitest'
import { freshDruid, noDruid, type TestDruid } from '../testing/druid.ts'

/** Nothing listens there: what is applied does not depend on it. */
const KAFKA = '127.0.0.1:9'

describe.skipIf(noDruid)('apply', () => {
  let druid: TestDruid
  beforeAll(async () => {
    druid = await freshDruid()
  })

  const changes = async (options: { tasks?: number } = {}) =>
    Object.fromEntries(
      (await druid.apply({ kafka: KAFKA, ...options })).map(({ kind, table, change }) => [`${kind} ${table}`, change]),
    )

  test('makes what is missing, leaves alone what is there, replaces what differs', async () => {
    const tables = ['raw_events', 'minly_aggs', 'hourly_aggs', 'session_aggs']
    const all = (change: string) =>
      Object.fromEntries(
        tables.flatMap((table) => ['rules', 'compaction', 'supervisor'].map((kind) => [`${kind} ${table}`, change])),
      )
    expect(await changes()).toMatchObject({ 'supervisor raw_events': 'created' })
    expect(await changes()).toEqual(all('unchanged'))

    const history = async () =>
      (await druid.management.get('/druid/indexer/v1/supervisor/minly_aggs/history')) as object[]
    const before = (await history()).length
    expect(await changes()).toEqual(all('unchanged'))
    expect(await history()).toHaveLength(before)
  })
})
