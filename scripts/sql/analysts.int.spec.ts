import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import type { OlapWriter } from '#processors/ports.ts'
import {
  aggregateRow,
  definitionState,
  eventLine,
  GAP,
  HOUR,
  lateEvent,
  olapPart,
  sessionRow,
  T0,
} from '#processors/storage/fixtures.ts'
import { SESSIONS } from '#schema/checkpoint.ts'
import { questionsFor } from './fixtures/questions.ts'
import { ANSWERS, shopPart } from './fixtures/shop.ts'

const page = await readFile(join(import.meta.dirname, '../../docs/analysts.md'), 'utf8')
const examples = [...page.matchAll(/```sql\n(.*?)```/gs)].map(([, sql]) => sql)

let folder: string
let olap: OlapWriter
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-analysts-'))
  olap = await createDuckDbOlap({ folder, partitions: 1, logger: { info() {}, warn() {}, error() {} }, now: () => T0 })
  const view = (id: string, path: string, source: string, bytes: number) =>
    eventLine(id, { source, e: { anonymousId: `n${id}`, properties: { path, bytes } } })
  const ended = (session: string, lengthMs: number) => {
    const dims = ['NL', 'Firefox', 'Linux', 'desktop', null, 'n']
    return sessionRow({ metric: SESSIONS, session, end: T0 + lengthMs + GAP, dims, events: 3, ended: 9 })
  }
  await olap.write({
    parts: [
      olapPart(1, {
        events: [view('a', '/x', 'live', 1), view('b', '/x', 'live', 2), view('c', '/y', 'import-1', 4)],
        sessions: [
          sessionRow({ n: 2, events: 2, end: T0 + GAP + 1_000 }),
          sessionRow({ dims: ['DE'] }),
          ended('s', 4_000),
          ended('t', 2_000),
        ],
        aggregates: [2, 1].map((n) => aggregateRow({ size: HOUR, n, events: n, corrections: n })),
        definitions: [definitionState('page_views', 'COUNT')],
        late: [lateEvent(eventLine('l'))],
      }),
    ],
  })
})
afterAll(async () => {
  await olap.close()
  await rm(folder, { recursive: true })
})

const at = new Date(T0).toISOString()

it.each([
  [0, [[at, 3, 3]]],
  [
    1,
    [
      ['/x', 2, 3],
      ['/y', 1, 4],
    ],
  ],
  [2, [['NL', 3]]],
  [3, [['NL', 2, 3, 3]]],
  [4, [['live', 's', at, new Date(T0 + GAP + 1_000).toISOString(), 3]]],
  [5, [['LATE', 'page_view', 'older than the horizon', 1, at]]],
  [6, [['page_views', at, ['NL'], 3, at, at]]],
  [7, [['import-1', 1, at, at]]],
  // Rows that no header and no settlement speaks of.
  [8, [['main', at, 0, 0, 0, 0, 0, 0, 0, 3, 0, false]]],
])('runs example %i of docs/analysts.md', async (i, rows) => {
  expect((await olap.sql(examples[i])).rows).toEqual(rows)
})

it('tries every example', () => {
  expect(examples).toHaveLength(9)
})

it.each(['raw_events', 'minly_points', 'hourly_points', 'session_points', 'sessions', 'ledger'])(
  'describes every column of %s',
  async (table) => {
    const columns = (await olap.sql(`DESCRIBE ${table}`)).rows.map(([name]) => `\`${name}\``)
    const section = page.slice(
      page.indexOf(`\`${table}\`:`) === -1 ? page.indexOf('`minly_points`, ') : page.indexOf(`\`${table}\`:`),
    )
    expect(columns.filter((column) => !section.includes(column))).toEqual([])
  },
)

describe('the usual questions', async () => {
  let shop: OlapWriter
  let place: string
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'millrace-analysts-'))
    shop = await createDuckDbOlap({
      folder: place,
      partitions: 1,
      logger: { info() {}, warn() {}, error() {} },
      now: () => T0,
    })
    await shop.write({ parts: [shopPart()] })
  })
  afterAll(async () => {
    await shop.close()
    await rm(place, { recursive: true })
  })

  const questions = await questionsFor('duckdb')

  it('are all there', () => {
    expect(questions.map(([question]) => question)).toEqual(Object.keys(ANSWERS))
  })

  it.each(questions)('%s', async (question, sql) => {
    expect((await shop.sql(sql)).rows).toEqual(ANSWERS[question])
  })
})
