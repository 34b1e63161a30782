import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { OlapPart } from '#processors/ports.ts'
import { aggregateRow, definitionState, eventLine, HOUR, MINUTE, olapPart, T0 } from '#processors/storage/fixtures.ts'
import { createDuckDbOlap } from './olap.ts'

const logger = { info() {}, warn() {}, error() {} }
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-slices-'))
})
afterEach(() => rm(folder, { recursive: true }))

type Written = Partial<OlapPart> & { events?: string[] }

const definitions = [definitionState('page_views', 'COUNT'), definitionState('visitors', 'UNIQUES')]
const visitors = (members: number[], corrections: number) =>
  aggregateRow({ metric: 'visitors', members, n: members.length, corrections })
const hour = (n: number, corrections: number) => aggregateRow({ size: HOUR, n, corrections })
const UNREADABLE = '{"tenant":"main"'

const WRITES: Written[] = [
  { aggregates: [aggregateRow({ n: 2 }), visitors([1, 2], 0), hour(2, 0)], definitions },
  { aggregates: [aggregateRow({ n: 3, corrections: 1 }), visitors([2, 3], 1)] },
  // Something that the store refuses: the write is tried twice, and its deltas count once.
  { aggregates: [aggregateRow({ n: 10, corrections: 1 })], events: [JSON.stringify(eventLine('a')), UNREADABLE] },
  { aggregates: [aggregateRow({ start: T0 - 2 * HOUR, corrections: 1 }), hour(5, 1), visitors([9], 1)] },
  { aggregates: [aggregateRow({ n: 4, corrections: 1 }), aggregateRow({ n: 1, corrections: 1 })] },
  { aggregates: [aggregateRow({ start: T0 - 2 * HOUR, corrections: 1 }), hour(1, 1), visitors([1], 1)] },
]

/** From and to of each, in the order of the writes. */
const EXPECTED = [
  ['page_views', T0, 2, 5, 2],
  ['visitors', T0, 2, 3, 2],
  ['page_views', T0, 5, 15, 3],
  ['page_views', T0 - 2 * HOUR, null, 1, 1],
  ['page_views', T0, 2, 7, 2],
  ['visitors', T0, 3, 4, 3],
  ['page_views', T0, 15, 20, 5],
  ['page_views', T0 - 2 * HOUR, 1, 2, 2],
  ['page_views', T0, 7, 8, 3],
  ['visitors', T0, 4, 4, 4],
]

const open = (at: number) => createDuckDbOlap({ folder, partitions: 1, logger, now: () => at })

describe.each([
  ['a moment after their windows', T0 + 2 * MINUTE],
  ['when their windows are long over', T0 + 400 * HOUR],
])('values before and after a correction, written %s', (_, at) => {
  it.each([
    ['by one process', false],
    ['by a new process each time', true],
  ])('are those of all that was stored: %s', async (_name, isReopened) => {
    let olap = await open(at)
    try {
      for (const [i, written] of WRITES.entries()) {
        const { events, ...fields } = written
        await olap.write({ parts: [olapPart(i + 1, { ...fields, ...(events ? { events } : {}) })] })
        if (!isReopened) continue
        await olap.close()
        olap = await open(at)
      }
      const { rows } = await olap.sql(`SELECT metric, epoch_ms(window_start), from_value, to_value, revision
        FROM corrections ORDER BY number`)
      expect(rows.map(String).sort()).toEqual(EXPECTED.map(String).sort())
    } finally {
      await olap.close()
    }
  })
})
