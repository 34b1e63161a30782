import { describe, expect, test } from 'vitest'
import { createHealthCheck } from './health.ts'
import { judge, type Memory } from './judge.ts'
import { createManagement } from './management.ts'
import type { FailedTask, Observation, Offsets } from './observe.ts'

const NOW = 1_000_000

const seenOf = (more: Partial<Observation> = {}): Observation => ({
  table: 'minly_aggs',
  topic: 'olap_aggregates',
  at: NOW,
  state: 'RUNNING',
  suspended: false,
  reading: [{ id: 'a', from: { 0: 1 }, at: { 0: 5 } }],
  publishing: 0,
  waiting: 0,
  failed: [],
  end: { 0: 10 },
  lag: 5,
  errors: [],
  ...more,
})

const reading = (id: string, at: Offsets, from: Offsets = { 0: 1, 1: 1 }) => [{ id, from, at }]

const failures = (count: number, error = 'no sketch', endedAt = NOW - 1_000): FailedTask[] =>
  Array.from({ length: count }, (_, i) => ({ id: `f${i}`, endedAt, error }))

/** What a row of looks comes to. */
const after = (looks: Observation[]) => {
  let memory: Memory | undefined
  let health: ReturnType<typeof judge>['health'] | undefined
  for (const seen of looks) ({ health, memory } = judge(seen, memory))
  return health!
}

test('a table that is behind, and reads, is well', () => {
  const looks = [0, 1, 2].map((i) => seenOf({ at: NOW + i * 60_000, reading: reading('a', { 0: 5 + i }) }))
  expect(after(looks)).toMatchObject({ problem: null, lag: 5, progressAt: NOW + 120_000 })
})

test('a table that has read everything is well, however long nothing comes', () => {
  const idle = { reading: reading('a', { 0: 10 }), lag: 0 }
  expect(after([seenOf(idle), seenOf({ ...idle, at: NOW + 3_600_000 })]).problem).toBeNull()
})

test('a table that could read and does not is said to stand still after a minute', () => {
  expect(after([seenOf(), seenOf({ at: NOW + 59_000 })]).problem).toBeNull()
  expect(after([seenOf(), seenOf({ at: NOW + 60_000 })]).problem).toBe(
    'minly_aggs has read nothing for 60 s, and 5 records wait in topic olap_aggregates',
  )
  const waiting = seenOf({ at: NOW + 60_000, waiting: 2 })
  expect(after([seenOf(), waiting]).problem).toContain('2 of its tasks wait for a free worker')
})

describe('tasks that fail', () => {
  test('twice, or long ago, or each for a reason of its own, are no poison', () => {
    const reasons = [...failures(1, 'one'), ...failures(1, 'two'), ...failures(1, 'three')]
    for (const failed of [failures(2), failures(9, 'no sketch', NOW - 300_001), reasons]) {
      expect(after([seenOf({ failed })])).toMatchObject({ problem: null, poison: [] })
    }
  })

  test('again and again are one, somewhere behind what was read before', () => {
    const { poison, problem } = after([seenOf({ failed: failures(3), reading: [], end: { 0: 10, 1: 0 } })])
    expect(poison).toEqual([
      { topic: 'olap_aggregates', partition: 0, offset: { from: 0, to: 10 }, error: 'no sketch' },
    ])
    expect(problem).toBe(
      'minly_aggs makes no progress: its tasks fail again and again in topic olap_aggregates at partition 0 between offset 0 and 10, 3 times in the last minutes: no sketch',
    )
  })

  test('three times at one offset have met it there, wherever other partitions stood', () => {
    const attempts = [
      { 0: 4, 1: 30 },
      { 0: 6, 1: 20 },
      { 0: 6, 1: 35 },
      { 0: 6, 1: 31 },
    ]
    const looks = attempts.map((at, i) =>
      seenOf({ at: NOW + i * 2_000, failed: failures(3 + i), reading: reading(`t${i}`, at), end: { 0: 10, 1: 40 } }),
    )
    expect(after(looks).poison).toEqual([{ topic: 'olap_aggregates', partition: 0, offset: 6, error: 'no sketch' }])
    expect(after(looks.slice(0, 3)).poison).toMatchObject([
      { partition: 0, offset: { from: 6, to: 10 } },
      { partition: 1, offset: { from: 35, to: 40 } },
    ])
  })

  test('are over when a task has come further than all of them', () => {
    const failed = failures(5)
    const looks = [seenOf({ failed, reading: reading('t0', { 0: 6 }) }), seenOf({ failed, reading: [] })]
    expect(after(looks).problem).not.toBeNull()
    const passed = seenOf({ at: NOW + 9_000, failed, reading: reading('t1', { 0: 7 }) })
    expect(after([...looks, passed])).toMatchObject({ problem: null, poison: [] })
  })
})

test.each([
  [{ suspended: true }, 'minly_aggs is suspended: npm run druid -- apply resumes it'],
  [
    { state: 'UNABLE_TO_CONNECT_TO_STREAM', errors: ['timed out'] },
    'minly_aggs cannot read topic olap_aggregates (UNABLE_TO_CONNECT_TO_STREAM): timed out',
  ],
  [
    { state: 'UNHEALTHY_SUPERVISOR', errors: ['offset 3 is no longer there'] },
    'minly_aggs is not well (UNHEALTHY_SUPERVISOR): offset 3 is no longer there',
  ],
])('what Druid says itself is said in words: %o', (more, problem) => {
  expect(after([seenOf(more)]).problem).toBe(problem)
})

test('a Druid that does not answer is a problem in words as well', async () => {
  // A port that fetch refuses by itself: nothing is connected.
  const druid = createManagement({ url: 'http://127.0.0.1:1', timeoutMs: 2_000 })
  const { problems } = await createHealthCheck({ druid, tables: ['minly_aggs'], now: () => NOW }).look()
  expect(problems).toEqual([expect.stringMatching(/^minly_aggs: Druid cannot be asked: /)])
})
