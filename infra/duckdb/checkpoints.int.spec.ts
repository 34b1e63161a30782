import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import {
  aggregateRow,
  definitionState,
  eventLine,
  HOUR,
  lateEvent,
  olapPart,
  sessionRow,
  T0,
} from '#processors/storage/fixtures.ts'
import type { CheckpointSettings } from './checkpoints.ts'
import { createDuckDbOlap } from './olap.ts'

const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
let folder: string
let olap: OlapWriter
let checkpoint: number

beforeEach(async () => {
  logger.warn.mockClear()
  checkpoint = 0
  folder = await mkdtemp(join(tmpdir(), 'millrace-checkpoints-'))
})
afterEach(async () => {
  await olap.close()
  await rm(folder, { recursive: true })
})

/** A checkpoint is due after every write, and begins with the next. */
const ALWAYS: CheckpointSettings = { bytes: 1, everyMs: 0, mostBytes: 1, tidyEveryMs: Number.POSITIVE_INFINITY }

const open = async (checkpoints: Partial<CheckpointSettings> = {}): Promise<void> => {
  olap = await createDuckDbOlap({ folder, partitions: 1, logger, checkpoints: { ...ALWAYS, ...checkpoints } })
}

const EVENTS = 500
const write = async (more: Parameters<typeof olapPart>[1] = {}): Promise<void> => {
  checkpoint++
  const events = Array.from({ length: EVENTS }, (_, i) => eventLine(`${checkpoint}-${i}`))
  await olap.write({
    parts: [olapPart(checkpoint, { events, aggregates: [aggregateRow({ events: EVENTS })], ...more })],
  })
}

/** Some of each that comes with every other write. */
const usual = (): Parameters<typeof olapPart>[1] => ({
  aggregates: [aggregateRow({ events: EVENTS, corrections: 1 }), aggregateRow({ size: HOUR })],
  sessions: [sessionRow({ session: String(checkpoint) })],
  late: [lateEvent(eventLine(`late-${checkpoint}`))],
  duplicates: { main: 1 },
  markers: [{ gateway: 'g', number: checkpoint, sentAt: T0 }],
  clocks: [{ tenant: 'main', source: 'live', watermark: T0 + checkpoint, idle: false }],
})

const cell = async (sql: string): Promise<unknown> => (await olap.sql(sql)).rows[0][0]
const GROUPS = `SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('raw_events')`
const rowGroups = async (): Promise<number> => Number(await cell(GROUPS))

/** DuckDB has this file when a transaction was committed while a checkpoint was under way. */
const wasCommittedMeanwhile = (): boolean => existsSync(join(folder, 'millrace.duckdb.wal.checkpoint'))

const expectWhole = async (): Promise<void> => {
  expect(await olap.positions()).toEqual([checkpoint])
  expect(await cell('SELECT count(DISTINCT id) FROM raw_events')).toBe(checkpoint * EVENTS)
  expect(logger.warn).not.toHaveBeenCalled()
}

/** A full checkpoint is waited for: during one of those a commit is rare, and not never. */
it('lets writes be committed during a checkpoint', async () => {
  await open()
  await write({ definitions: [definitionState('page_views', 'COUNT')] })
  let meanwhile = 0
  for (let i = 0; i < 150 && meanwhile < 4; i++) {
    await write(usual())
    if (wasCommittedMeanwhile()) meanwhile++
  }
  expect(meanwhile).toBe(4)
  expect(await cell('SELECT count(*)::DOUBLE FROM corrections')).toBe(checkpoint - 1)
  await expectWhole()
})

it('makes none while rows are deleted or updated for a write', async () => {
  await open()
  const definitions = [definitionState('page_views', 'COUNT')]
  for (let i = 0; i < 20; i++) {
    await write({ definitions })
    expect(wasCommittedMeanwhile()).toBe(false)
  }
  await expectWhole()
})

it('puts small row groups together from time to time', async () => {
  await open({ tidyEveryMs: 0 })
  let most = 0
  let now = 0
  do {
    await write()
    now = await rowGroups()
    most = Math.max(most, now)
  } while (now > most / 2)
  await expectWhole()
})
