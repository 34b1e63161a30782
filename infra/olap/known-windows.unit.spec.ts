import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { AggregatesQuery, OlapRow, Positions } from '#schema/olap.ts'
import { createKnownWindows } from './known-windows.ts'
import { type PackedAggregates, packAggregates, packWindow, unpackAggregates } from './packed.ts'

const MINUTE = 60_000
/** Of seven windows, not all of them: now and then all is forgotten. */
const MAX_BYTES = 900
const SERIES = { tenant: 'main', metric: 'views', version: 1, size: MINUTE, measure: 'COUNT' as const }
const query = (from: number, to: number, fields: Partial<AggregatesQuery> = {}): AggregatesQuery => ({
  ...SERIES,
  from: from * MINUTE,
  to: to * MINUTE,
  ...fields,
})

const rowOf = (window: number, fields: Partial<OlapRow> = {}): OlapRow => {
  const { measure, ...series } = SERIES
  return { ...series, start: window * MINUTE, dims: ['/'], events: 1, corrections: 0, revision: 1, n: 1, ...fields }
}

/** A store of one row a window, whose reads and writes take the steps that the test says. */
const createStore = () => {
  const committed = new Map<number, number>()
  const steps: (() => void)[] = []
  const asked: [number, number][] = []
  let writes = 0
  const step = (): Promise<void> => new Promise((resolve) => steps.push(resolve))
  /** What one transaction that begins now says, whenever it is asked. */
  const begin = (): ((of: AggregatesQuery) => { rows: OlapRow[]; positions: Positions }) => {
    const windows = [...committed].sort(([a], [b]) => a - b)
    const positions = [writes]
    return ({ from, to }) => ({
      rows: windows
        .filter(([window]) => window * MINUTE >= from && window * MINUTE < to)
        .map(([window, n]) => rowOf(window, { n, events: n })),
      positions,
    })
  }
  const known = createKnownWindows({
    maxBytes: MAX_BYTES,
    async read(of) {
      asked.push([of.from / MINUTE, of.to / MINUTE])
      await step()
      const answer = begin()(of)
      await step()
      return answer
    },
    async positions() {
      await step()
      const positions = [writes]
      await step()
      return positions
    },
  })
  return {
    known,
    asked,
    begin,
    write: (windows: readonly number[], touched: 'ALL' | 'TOLD', onCommit: () => void) => {
      const body = async (): Promise<void> => {
        await step()
        for (const window of windows) committed.set(window, (committed.get(window) ?? 0) + 1)
        writes++
        onCommit()
        await step()
      }
      if (touched === 'ALL') return known.writingAll(body)
      return known.writing(
        windows.map((window) => ({ ...SERIES, start: window * MINUTE })),
        body,
      )
    },
    /** Lets one of the waiting steps go. */
    async go(which: number): Promise<void> {
      steps.splice(which % Math.max(steps.length, 1), 1)[0]?.()
      for (let i = 0; i < 20; i++) await undefined
    },
    isBusy: () => steps.length > 0,
  }
}

const answered = async (of: AggregatesQuery, text: Promise<string>) =>
  unpackAggregates(of, JSON.parse(await text) as PackedAggregates)

const window = fc.integer({ min: 0, max: 4 })
const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('ask' as const), from: window, length: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      windows: fc.array(window, { minLength: 1, maxLength: 2 }),
      all: fc.nat(9).map((dice) => dice === 0),
    }),
  },
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('go' as const), which: fc.nat(7) }) },
)

it('answers what one transaction would have answered, at the positions that it says, however reads and writes meet', async () => {
  const check = fc.asyncProperty(fc.array(action, { minLength: 40, maxLength: 80 }), async (actions) => {
    const store = createStore()
    const moments = [store.begin()]
    const answers: { of: AggregatesQuery; text: Promise<string>; least: number }[] = []
    let ended = 0
    let last: Promise<unknown> = Promise.resolve()
    const pending: Promise<unknown>[] = []
    for (const one of actions) {
      if (one.kind === 'ask') {
        const of = query(one.from, one.from + one.length)
        answers.push({ of, text: store.known.answer(of), least: ended })
      } else if (one.kind === 'write') {
        // A store writes one batch after the other.
        last = last.then(() =>
          store.write(one.windows, one.all ? 'ALL' : 'TOLD', () => moments.push(store.begin())).then(() => ended++),
        )
        pending.push(last)
      } else await store.go(one.which)
      for (let i = 0; i < 20; i++) await undefined
    }
    while (store.isBusy()) await store.go(0)
    await Promise.all(pending)
    for (const { of, text, least } of answers) {
      const answer = await answered(of, text)
      const [at] = answer.positions
      expect(at).toBeGreaterThanOrEqual(least)
      expect(answer).toEqual(moments[at](of))
    }
    expect(store.known.bytes()).toBeLessThanOrEqual(MAX_BYTES)
  })
  await fc.assert(check, { numRuns: 300 })
})

it('does not take windows of behind a write for what stood at positions of before it', async () => {
  const store = createStore()
  const ask = () => answered(query(0, 1), store.known.answer(query(0, 1)))
  const before = ask()
  await store.go(0)
  await store.go(0)
  await before
  const slow = ask()
  await store.go(0)
  const written = store.write([0], 'TOLD', () => {})
  await store.go(1)
  await store.go(1)
  await written
  const after = ask()
  await store.go(1)
  await store.go(1)
  expect(await after).toEqual({ rows: [rowOf(0)], positions: [1] })
  while (store.isBusy()) await store.go(0)
  expect(await slow).toEqual({ rows: [rowOf(0)], positions: [1] })
})

it('reads a window once, those of questions that wait together, and none that nobody asked for', async () => {
  const store = createStore()
  const ask = (of: AggregatesQuery) => answered(of, store.known.answer(of))
  const finish = async (): Promise<void> => {
    while (store.isBusy()) await store.go(0)
  }
  const asked = [ask(query(0, 3)), ask(query(1, 4)), ask(query(2, 6)), ask(query(8, 9))]
  await finish()
  await Promise.all(asked)
  expect(store.asked).toEqual([
    [0, 3],
    [3, 6],
    [8, 9],
  ])
  const again = [ask(query(0, 6)), ask(query(2, 9))]
  await finish()
  await Promise.all(again)
  expect(store.asked.slice(3)).toEqual([[6, 8]])
})

it('passes on what reading fails with, and asks again', async () => {
  let fails = true
  const known = createKnownWindows({
    read: async () => {
      if (fails) throw new Error('disk gone')
      return { rows: [rowOf(1)], positions: [3] }
    },
    positions: async () => [3],
  })
  await expect(known.answer(query(1, 2))).rejects.toThrow('disk gone')
  fails = false
  expect(await answered(query(1, 2), known.answer(query(1, 2)))).toEqual({ rows: [rowOf(1)], positions: [3] })
})

it.each<[string, OlapRow[]]>([
  ['no rows', []],
  ['counts that are equal', [rowOf(1), rowOf(1, { dims: ['/b'] }), rowOf(2), rowOf(2, { dims: ['/b'] })]],
  ['counts that differ', [rowOf(1, { events: 3, revision: 2, n: 2.5 }), rowOf(1, { dims: [null], corrections: 1 })]],
  ['a time of correction', [rowOf(1, { correctedAt: 7 }), rowOf(1, { dims: ['b', '"\u2028'] })]],
  ['nothing measured', [rowOf(1, { n: undefined }), rowOf(1, { dims: ['b'], n: 4 })]],
  ['sums', [rowOf(1, { sum: 0.1, comp: 1e-20 }), rowOf(1, { dims: ['b'], shed: 1 })]],
  ['members', [rowOf(1, { members: [1, 2 ** 52] }), rowOf(1, { dims: ['b'], items: [['ü', 2]] })]],
])('carries rows as they are: %s', (_, rows) => {
  const starts = [...new Set(rows.map(({ start }) => start))]
  const windows = starts.map((start) =>
    packWindow(
      start,
      rows.filter((row) => row.start === start),
    ),
  )
  const text = packAggregates(windows, [1, 2])
  const unpacked = unpackAggregates(query(0, 9), JSON.parse(text) as PackedAggregates)
  expect(unpacked).toEqual({ rows: JSON.parse(JSON.stringify(rows)), positions: [1, 2] })
})
