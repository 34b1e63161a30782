import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { ArchiveLedger, OlapWriter } from '#processors/ports.ts'
import { aggregateRow, definitionState, olapPart, T0 } from '#processors/storage/fixtures.ts'
import { createDuckDbOlap } from './olap.ts'

const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
let folder: string
let olap: OlapWriter & ArchiveLedger

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-newest-'))
})
afterEach(async () => {
  await olap.close()
  await rm(folder, { recursive: true })
})

const open = async (): Promise<void> => {
  olap = await createDuckDbOlap({ folder, partitions: 2, logger, now: () => T0 })
}

const clock = (watermark: number) => ({ tenant: 'main', source: 'live', watermark, idle: false })

/** Three checkpoints of each partition, with a clock that goes on and a definition that stays. */
const write = async (from: number): Promise<void> => {
  for (let checkpoint = from; checkpoint < from + 3; checkpoint++) {
    const clocks = [clock(checkpoint)]
    const definitions = checkpoint === 1 ? [definitionState('page_views', 'COUNT')] : []
    await olap.write({ parts: [0, 1].map((partition) => olapPart(checkpoint, { partition, clocks, definitions })) })
    const frames = [{ sequence: checkpoint, received: [] }]
    await olap.writeReceived([{ partition: 0, after: checkpoint - 1, sequence: checkpoint, frames }])
    await olap.writeArchived({ partition: 1, to: checkpoint, counted: [] })
  }
}

const expectAt = async (checkpoint: number): Promise<void> => {
  const stands = { checkpoint, sequence: checkpoint, clocks: [clock(checkpoint)] }
  const definitions = [definitionState('page_views', 'COUNT')]
  expect(await olap.partitions()).toEqual([0, 1].map(() => ({ ...stands, definitions, tenants: [] })))
  expect(await olap.positions()).toEqual([checkpoint, checkpoint])
  expect(await olap.logPositions()).toEqual({ settled: [checkpoint, checkpoint], received: [checkpoint, 0] })
  expect((await olap.sql('SELECT "partition", sequence::DOUBLE FROM archived_positions')).rows).toEqual([
    [1, checkpoint],
  ])
}

const TABLES = ['position_changes', 'fold_state_changes', 'received_position_changes', 'archived_position_changes']
const rowCounts = async (): Promise<unknown[]> => {
  const counts = TABLES.map((table) => `(SELECT count(*)::DOUBLE FROM ${table})`)
  return (await olap.sql(`SELECT ${counts.join(', ')}`)).rows[0]
}

it('is what holds, before upkeep has dropped the rows that came before, and after', async () => {
  await open()
  await write(1)
  await expectAt(3)
  expect(await rowCounts()).toEqual([8, 8, 5, 3])
  await olap.maintain(T0)
  await expectAt(3)
  expect(await rowCounts()).toEqual([2, 4, 2, 1])
  await write(4)
  await expectAt(6)
})

it('goes on from a store whose rows were updated in place', async () => {
  await open()
  await write(1)
  await olap.maintain(T0)
  await olap.close()
  const instance = await DuckDBInstance.create(join(folder, 'millrace.duckdb'))
  const connection = await instance.connect()
  await connection.run('ALTER TABLE fold_state_changes DROP COLUMN checkpoint')
  for (const table of TABLES) {
    const before = table === 'fold_state_changes' ? 'fold_state' : table.replace('_changes', 's')
    await connection.run(`DROP VIEW ${before}`)
    await connection.run(`ALTER TABLE ${table} RENAME TO ${before}`)
  }
  connection.closeSync()
  instance.closeSync()

  await open()
  await expectAt(3)
  await write(4)
  await expectAt(6)
})

it('numbers corrections of one time differently, also after a restart: a page goes on where one ends', async () => {
  const correct = (checkpoint: number): Promise<void> => {
    const aggregates = ['NL', 'DE'].map((country) => aggregateRow({ dims: [country], corrections: 1 }))
    const definitions = checkpoint === 1 ? [definitionState('page_views', 'COUNT')] : []
    return olap.write({ parts: [olapPart(checkpoint, { aggregates, definitions })] })
  }
  await open()
  await correct(1)
  await correct(2)
  await olap.close()
  await open()
  await correct(3)
  const seen: unknown[] = []
  for (let after: string | undefined; ; ) {
    const { nodes, endCursor, hasNextPage } = await olap.corrections({
      tenant: 'main',
      from: T0,
      to: T0 + 1,
      first: 1,
      after,
    })
    seen.push(...nodes.map(({ dimensions, to }) => `${dimensions} ${to}`))
    if (!hasNextPage) break
    after = endCursor ?? undefined
  }
  expect(seen).toHaveLength(6)
  expect(new Set(seen)).toEqual(new Set(['NL 1', 'DE 1', 'NL 2', 'DE 2', 'NL 3', 'DE 3']))
})
