import { describe, expect, it } from 'vitest'
import { eventLine, MINUTE, T0 } from '#processors/storage/fixtures.ts'
import { MillraceError } from '#schema/errors.ts'
import type { DruidClient, SqlValue } from './client.ts'
import type { StoredEvent } from './event-rows.ts'
import { watchFreshness } from './freshness.ts'
import { watchWitnesses } from './witnesses.ts'

/** A Druid in which a test says how far it is. */
const scripted = () => {
  const druid = {
    positions: [] as (number | MillraceError)[],
    missingSegments: 0,
    newest: 1_000,
    events: [] as { time: number; partition: number; sequence: number }[],
    asked: [] as string[],
  }
  const answer = (statement: string, values: readonly SqlValue[]): unknown[][] => {
    if (statement.includes('sys.segments')) return [[druid.missingSegments]]
    if (statement.includes('FROM raw_events')) {
      const wanted = Array.from({ length: values.length / 3 }, (_, i) => values.slice(3 * i, 3 * i + 3).join())
      return druid.events
        .filter(({ time, partition, sequence }) => wanted.includes([time, partition, sequence].join()))
        .map(({ partition }) => [partition])
    }
    const next = druid.positions.length > 1 ? druid.positions.shift()! : druid.positions[0]
    if (next instanceof MillraceError) throw next
    return [[0, next]]
  }
  const client: DruidClient = {
    query: async (statement, values = []) => {
      druid.asked.push(statement)
      return { columns: [], rows: answer(statement, values) }
    },
  }
  return { druid, client, freshness: watchFreshness(client, { partitions: 2, newest: async () => druid.newest }) }
}

const UNKNOWN = new MillraceError('BAD_INPUT', "Object 'minly_aggs' not found (line [1], column [42])")
const rows = async () => 'rows'

describe('an answer', () => {
  it('has the positions of before its rows', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [5, 7]
    expect(await freshness.reading('minly_aggs', rows)).toEqual({ answer: 'rows', positions: [5, 0] })
  })

  it('of a table that is not there yet has none', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [UNKNOWN]
    expect((await freshness.reading('minly_aggs', rows)).positions).toEqual([0, 0])
  })

  it('is none when Druid has less than a former one had, and is one again when it has caught up', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [5, 5, 4]
    await freshness.reading('minly_aggs', rows)
    const behind = { code: 'UNAVAILABLE', message: /at checkpoint 4 of 5 in partition 0/ }
    await expect(freshness.reading('minly_aggs', rows)).rejects.toMatchObject(behind)
    druid.positions = [UNKNOWN]
    await expect(freshness.reading('minly_aggs', rows)).rejects.toMatchObject({ message: /checkpoint 0 of 5/ })
    druid.positions = [5]
    expect((await freshness.reading('minly_aggs', rows)).positions).toEqual([5, 0])
  })

  it('is none when Druid has gone back while it was read', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [5, 3]
    await expect(freshness.reading('minly_aggs', rows)).rejects.toMatchObject({ message: /checkpoint 3 of 5/ })
  })

  it('is none when Druid has what was never made here, until that is made', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [9]
    druid.newest = 8
    const foreign = { code: 'UNAVAILABLE', message: /has checkpoint 9 of partition 0, and the newest is 8/ }
    await expect(freshness.reading('minly_aggs', rows)).rejects.toMatchObject(foreign)
    druid.newest = 9
    expect((await freshness.reading('minly_aggs', rows)).positions).toEqual([9, 0])
  })

  it('of one table says nothing of another', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [5]
    await freshness.reading('minly_aggs', rows)
    druid.positions = [4]
    expect((await freshness.reading('hourly_aggs', rows)).positions).toEqual([4, 0])
  })

  it('is none while segments of its table are being loaded', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [5]
    druid.missingSegments = 2
    const loading = { code: 'UNAVAILABLE', message: /loading 2 segments of minly_aggs/ }
    await expect(freshness.reading('minly_aggs', rows)).rejects.toMatchObject(loading)
  })

  it('passes on what Druid has to say against the question', async () => {
    const { druid, freshness } = scripted()
    druid.positions = [new MillraceError('UNAVAILABLE', 'no')]
    await expect(freshness.reading('minly_aggs', rows)).rejects.toThrow('no')
  })
})

describe('events that were shown', () => {
  const event = (partition: number, sequence: number, time = T0): StoredEvent => ({
    line: eventLine('a', { time }),
    key: [time, 'a', partition, sequence, 's', 'live'],
  })

  it('are asked for again by the newest of each partition', async () => {
    const { druid, client } = scripted()
    const witnesses = watchWitnesses(client, () => T0)
    await witnesses.check()
    expect(druid.asked).toEqual([])
    witnesses.note([event(0, 5), event(0, 9), event(1, 2), event(0, 7)])
    druid.events = [
      { time: T0, partition: 0, sequence: 9 },
      { time: T0, partition: 1, sequence: 2 },
    ]
    await witnesses.check()
    druid.events.pop()
    const behind = { code: 'UNAVAILABLE', message: /up to sequence 2 of partition 1/ }
    await expect(witnesses.check()).rejects.toMatchObject(behind)
  })

  it('prove nothing when they happened long ago: the table may have dropped them', async () => {
    const { client } = scripted()
    let now = T0
    const witnesses = watchWitnesses(client, () => now)
    witnesses.note([event(0, 5, T0 - 25 * 60 * MINUTE), event(1, 5)])
    now += 25 * 60 * MINUTE
    await witnesses.check()
  })
})
