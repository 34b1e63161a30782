import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createDuck } from '#infra/archive/duck.ts'
import { openFolder } from '#infra/archive/folder.ts'
import { createParquetFiles } from '#infra/archive/parquet.ts'
import { createMemoryBook } from '#infra/memory/archive.ts'
import { ensurePackages, PYARROW } from '#infra/testing/python.ts'
import { until } from '#infra/testing/until.ts'
import { startArchive } from '#processors/archive/archive.ts'
import { UPKEEP } from '#processors/archive/upkeep.ts'
import type { SettledFeed } from '#processors/ports.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import type { EventLine } from '#schema/event.ts'
import { shopWeeks } from '../sql/shop-weeks.ts'

const page = await readFile(join(import.meta.dirname, '../../docs/analysts.md'), 'utf8')
const [view, ...questions] = [...page.matchAll(/```sql parquet\n(.*?)```/gs)].map(([, sql]) => sql)

const EVENTS = shopWeeks()
let folder: string
let ask: (sql: string) => Promise<unknown[][]>
let close: () => void

/** The events as one frame that counted wholly. */
const feed: SettledFeed = {
  async *read(_partition, after, signal) {
    const totals = { main: { C: EVENTS.length, D: 0, L: 0, I: 0 } }
    if (after === 0)
      yield { partition: 0, checkpoint: 1, from: 1, to: 1, totals, outcomes: {} } as unknown as Settlement
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  },
  async *frames() {
    const data = new TextEncoder().encode(EVENTS.map((event) => JSON.stringify(event)).join('\n'))
    yield { sequence: 1, storedAt: EVENTS[0].time, kind: 'events', data }
  },
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-analysts-'))
  const place = join(folder, 'archive')
  const duck = createDuck({ folder })
  const store = await openFolder(place)
  const archive = startArchive({
    partitions: 1,
    deployment: 'abcd1234',
    feed,
    book: createMemoryBook(),
    files: await createParquetFiles(duck, store, join(folder, 'spool')),
    store,
    settings: {
      ...UPKEEP,
      chunkBytes: 1e9,
      chunkMs: 0,
      retryMs: 10,
      longestRetryMs: 10,
      upkeepMs: 1e6,
      patienceMs: 1e6,
      retentionMs: 1e15,
    },
    clock: { now: Date.now, monotonic: () => performance.now() },
    metrics: { stored() {}, failed() {}, tended() {} },
    logger: { info() {}, warn() {}, error() {} },
  })
  await until('the events are archived', () => archive.sequences()[0] === 1)
  await archive.stop()
  await duck.close()
  // As an analyst's own DuckDB, which knows nothing of Millrace.
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  for (const statement of view.replace('.millrace/archive', place).split(';')) {
    if (statement.trim() !== '') await connection.run(statement)
  }
  ask = async (sql) => (await connection.runAndReadAll(sql)).getRowsJson() as unknown[][]
  close = () => {
    connection.closeSync()
    instance.closeSync()
  }
})
afterAll(async () => {
  close()
  await rm(folder, { recursive: true })
})

const WEEK = 7 * 86_400_000
const FIRST_WEEK = Date.UTC(2024, 3, 1)
const by = <K>(events: readonly EventLine[], key: (event: EventLine) => K): Map<K, EventLine[]> =>
  Map.groupBy(events, key)
const day = (time: number): string => new Date(time).toISOString().slice(0, 10)
const named = (name: string): EventLine[] => EVENTS.filter(({ e }) => e.name === name)

const funnel = (): unknown[][] => {
  const reached = [0, 0, 0]
  for (const own of by(EVENTS, ({ e }) => e.userId).values()) {
    let since = 0
    for (const [step, name] of ['page_view', 'click', 'conversion'].entries()) {
      const times = own.filter(({ e, time }) => e.name === name && time >= since).map(({ time }) => time)
      if (times.length === 0) break
      reached[step]++
      since = Math.min(...times)
    }
  }
  return [reached.map(String)]
}

const retention = (): unknown[][] => {
  const people = new Map<string, number>()
  for (const own of by(EVENTS, ({ e }) => e.userId).values()) {
    const weeks = new Set(own.map(({ time }) => Math.floor((time - FIRST_WEEK) / WEEK)))
    const first = Math.min(...weeks)
    for (const week of weeks) {
      const key = `${day(FIRST_WEEK + first * WEEK)} ${week - first}`
      people.set(key, (people.get(key) ?? 0) + 1)
    }
  }
  return [...people].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, count]) => [...key.split(' '), String(count)])
}

const sessions = (): unknown[][] => {
  const all: EventLine[][] = []
  for (const own of by(EVENTS, ({ key }) => key).values()) {
    let last = Number.NEGATIVE_INFINITY
    for (const event of [...own].sort((a, b) => a.time - b.time)) {
      if (event.time - last > 1_800_000) all.push([])
      all[all.length - 1].push(event)
      last = event.time
    }
  }
  const median = (values: number[]): number => {
    const sorted = [...values].sort((a, b) => a - b)
    const middle = (sorted.length - 1) / 2
    return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2
  }
  return [...Map.groupBy(all, ([{ time }]) => day(time))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([date, own]) => [
      date,
      String(own.length),
      median(own.map((session) => (session[session.length - 1].time - session[0].time) / 1_000)),
      String(own.flat().length),
    ])
}

const topPages = (): unknown[][] =>
  [...by(named('page_view'), ({ e }) => e.properties?.path as string)]
    .map(([path, own]): [string, number, number] => [path, own.length, new Set(own.map(({ e }) => e.userId)).size])
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([path, views, people]) => [path, String(views), String(people)])

const revenue = (): unknown[][] =>
  [
    ...by(
      named('conversion'),
      ({ country, time }) => `${country} ${String(new Date(time).getUTCHours()).padStart(2, '0')}`,
    ),
  ]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, own]) => {
      const [country, hour] = key.split(' ')
      const cents = own.reduce((sum, { e }) => sum + Math.round((e.properties?.amount as number) * 100), 0)
      return [country, String(Number(hour)), String(own.length), cents / 100]
    })

it.each([
  ['funnel', 0, funnel],
  ['retention by week', 1, retention],
  ['sessions', 2, sessions],
  ['top pages', 3, topPages],
  ['revenue by country and hour', 4, revenue],
])('answers %s as the events themselves do', async (_, i, expected) => {
  const rows = expected()
  expect(rows.flat().length).toBeGreaterThan(2)
  expect(await ask(questions[i])).toEqual(rows)
})

it('answers what raw_events answers', async () => {
  const [hourly, pages] = [...page.matchAll(/```sql\n(.*?)```/gs)].map(([, sql]) => sql)
  for (const sql of [hourly, pages]) {
    expect((await ask(sql.replace('raw_events', 'events'))).length).toBeGreaterThan(3)
  }
})

const archivePage = await readFile(join(import.meta.dirname, '../../docs/archive.md'), 'utf8')
const example = (language: string): string =>
  (new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 's').exec(archivePage) as string[])[1]

it('reads by a glob as docs/archive.md says', async () => {
  const rows = await ask(example('sql').replace('.millrace', folder))
  expect(rows.reduce((sum, [, , events]) => sum + Number(events), 0)).toBe(EVENTS.length)
})

const pyarrow = ensurePackages(PYARROW, process.env, console.error)

it.skipIf(!pyarrow && !process.env.CI)('reads with PyArrow as docs/archive.md says', async () => {
  const { command, env } = pyarrow!
  const script = example('python').replace('.millrace', folder)
  const { stdout } = await promisify(execFile)(command, ['-c', script], { env })
  expect(stdout.trim()).toBe(String(named('page_view').length))
})

it('tries every question', () => {
  expect(questions).toHaveLength(5)
})
