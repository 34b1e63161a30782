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

  const TABLES = ['raw_events', 'minly_aggs', 'hourly_aggs', 'session_aggs']
  const each = (kinds: string[], change: string) =>
    Object.fromEntries(TABLES.flatMap((table) => kinds.map((kind) => [`${kind} ${table}`, change])))
  const unchanged = each(['rules', 'compaction', 'supervisor'], 'unchanged')
  const versions = async (table: string) =>
    ((await druid.management.get(`/druid/indexer/v1/supervisor/${table}/history`)) as object[]).length

  test('makes what is missing and leaves alone what is there', async () => {
    expect(await changes()).toMatchObject(each(['supervisor'], 'created'))
    const before = await versions('minly_aggs')
    expect(await changes()).toEqual(unchanged)
    expect(await versions('minly_aggs')).toBe(before)
  })

  test('replaces what differs from the files, also what was changed by hand', async () => {
    await changes()
    expect(await changes({ tasks: 2 })).toEqual({ ...unchanged, ...each(['supervisor'], 'updated') })
    expect(await changes({ tasks: 2 })).toEqual(unchanged)
    // Who says nothing of tasks leaves them as they are.
    expect(await changes()).toEqual(unchanged)

    const { management } = druid
    await management.post('/druid/coordinator/v1/rules/raw_events', [{ type: 'loadByPeriod', period: 'P1D' }])
    const supervisor = (await management.get('/druid/indexer/v1/supervisor/raw_events')) as {
      spec: { ioConfig: { taskDuration: string } }
    }
    supervisor.spec.ioConfig.taskDuration = 'PT7H'
    await management.post('/druid/indexer/v1/supervisor', supervisor)
    const updated = { 'rules raw_events': 'updated', 'supervisor raw_events': 'updated' }
    expect(await changes({ tasks: 2 })).toEqual({ ...unchanged, ...updated })
  })

  test('a supervisor that is suspended goes on', async () => {
    await changes()
    await druid.management.post('/druid/indexer/v1/supervisor/hourly_aggs/suspend')
    expect(await changes()).toEqual({ ...unchanged, 'supervisor hourly_aggs': 'updated' })
  })
})
