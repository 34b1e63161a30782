import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, copyFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { OlapWriter } from '#processors/ports.ts'
import { aggregateRow, definitionState, eventLine, lateEvent, olapPart, T0 } from '#processors/storage/fixtures.ts'
import type { AggregateRow } from '#schema/checkpoint.ts'
import { createDuckDbOlap } from './olap.ts'

const logger = { info: vi.fn(), warn: vi.fn(), error: vi.fn() }
let folder: string
beforeEach(async () => {
  logger.error.mockClear()
  folder = await mkdtemp(join(tmpdir(), 'millrace-recovery-'))
})
afterEach(() => rm(folder, { recursive: true }))

const open = (): Promise<OlapWriter> => createDuckDbOlap({ folder, partitions: 1, logger })
const FILE = 'millrace.duckdb'

/** What must agree at any moment: the position, and the rows that it says are there. */
const expectWhole = async (olap: OlapWriter): Promise<number> => {
  const [position] = await olap.positions()
  const sql = `SELECT count(*), count(DISTINCT id), coalesce(max(sequence), 0),
    (SELECT coalesce(sum(events), 0) FROM minly_aggs) FROM raw_events`
  expect((await olap.sql(sql)).rows).toEqual([[10 * position, 10 * position, position, 10 * position]])
  return position
}

const kill = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

it('has every committed row once, and no other, after each of several kills in the middle of writes', async () => {
  let committed = 0
  for (const writes of [3, 40, 17]) {
    const child = fork(join(import.meta.dirname, 'fixtures/write-until-killed.ts'), [folder], { execArgv: [] })
    const enough = Promise.withResolvers<void>()
    const from = committed
    child.on('message', (checkpoint: number) => {
      committed = checkpoint
      if (checkpoint >= from + writes) enough.resolve()
    })
    await enough.promise
    await kill(child)
    const olap = await open()
    expect(await expectWhole(olap)).toBeGreaterThanOrEqual(committed)
    committed = (await olap.positions())[0]
    await olap.close()
  }
  expect(logger.error).not.toHaveBeenCalled()
})

/** A store of 20 checkpoints in its file, and 5 more that only its write-ahead log has; as a crash leaves it. */
const crashed = async (): Promise<void> => {
  const write = (olap: OlapWriter, checkpoint: number) => {
    const events = Array.from({ length: 10 }, (_, i) => eventLine(`${checkpoint}-${i}`))
    const aggregates = [aggregateRow({ events: 10, n: 10 })]
    return olap.write({ parts: [olapPart(checkpoint, { events, aggregates })] })
  }
  const first = await open()
  for (let checkpoint = 1; checkpoint <= 20; checkpoint++) await write(first, checkpoint)
  await first.close()
  const second = await open()
  for (let checkpoint = 21; checkpoint <= 25; checkpoint++) await write(second, checkpoint)
  for (const file of [FILE, `${FILE}.wal`]) await copyFile(join(folder, file), join(folder, `${file}.copy`))
  await second.close()
  await rm(join(folder, `${FILE}.wal`), { force: true })
  for (const file of [FILE, `${FILE}.wal`]) {
    await copyFile(join(folder, `${file}.copy`), join(folder, file))
    await rm(join(folder, `${file}.copy`))
  }
}

const positionAfterOpen = async (): Promise<number> => {
  const olap = await open()
  try {
    return await expectWhole(olap)
  } finally {
    await olap.close()
  }
}

it('replays the write-ahead log after a crash', async () => {
  await crashed()
  expect(await positionAfterOpen()).toBe(25)
  expect(logger.error).not.toHaveBeenCalled()
})

it('takes what is whole of a write-ahead log whose end is torn', async () => {
  await crashed()
  const wal = join(folder, `${FILE}.wal`)
  await truncate(wal, (await stat(wal)).size - 100)
  const position = await positionAfterOpen()
  expect(position).toBeGreaterThanOrEqual(20)
  expect(position).toBeLessThan(25)
})

it('moves a write-ahead log aside that does not open, and stands at the last checkpoint of its file', async () => {
  await crashed()
  const wal = join(folder, `${FILE}.wal`)
  const bytes = await readFile(wal)
  bytes.fill(0xee, 200, 400)
  await writeFile(wal, bytes)
  // What was committed during a checkpoint goes on from the log that is damaged.
  await writeFile(`${wal}.checkpoint`, bytes)
  expect(await positionAfterOpen()).toBe(20)
  const kept = (await readdir(folder)).filter((name) => name.includes('.damaged-')).sort()
  expect(kept).toEqual([expect.stringMatching(/wal.checkpoint.damaged-/), expect.stringMatching(/wal.damaged-/)])
  for (const name of kept) expect(await readFile(join(folder, name))).toEqual(bytes)
  expect(logger.error).toHaveBeenCalledWith(
    expect.objectContaining({ keptAs: join(folder, kept[1]) }),
    expect.any(String),
  )
})

it('starts empty, at position 0, when the file itself is damaged, and keeps it', async () => {
  await crashed()
  const file = join(folder, FILE)
  await truncate(file, 5_000)
  await appendFile(file, Buffer.alloc(5_000, 0xee))
  expect(await positionAfterOpen()).toBe(0)
  expect((await readdir(folder)).filter((name) => name.includes('.damaged-')).sort()).toEqual([
    expect.stringMatching(/^millrace.duckdb.damaged-\d+$/),
    expect.stringMatching(/^millrace.duckdb.wal.damaged-\d+$/),
  ])
})

it('refuses to open what another process has open, and moves nothing', async () => {
  const child = fork(join(import.meta.dirname, 'fixtures/write-until-killed.ts'), [folder], { execArgv: [] })
  await once(child, 'message')
  await expect(open()).rejects.toThrow(/lock/i)
  await kill(child)
  expect((await readdir(folder)).filter((name) => name.includes('damaged'))).toEqual([])
})

it('clears what a crash left in the spool', async () => {
  await (await open()).close()
  await writeFile(join(folder, 'spool', '7.ndjson'), '{}')
  const olap = await open()
  expect(await readdir(join(folder, 'spool'))).toEqual([])
  await olap.close()
})

it('lets SQL read nothing but tables, not even the rows in the spool’s neighbours', async () => {
  await writeFile(join(folder, 'secret.csv'), 'a\n1\n')
  const olap = await open()
  for (const path of [join(folder, 'secret.csv'), join(folder, 'spool/../secret.csv'), '/etc/passwd']) {
    await expect(olap.sql(`SELECT * FROM read_csv('${path}')`)).rejects.toMatchObject({ code: 'BAD_INPUT' })
  }
  await olap.close()
})

it('interrupts a question that takes too long, and answers the next', async () => {
  const olap = await createDuckDbOlap({ folder, partitions: 1, logger, queryTimeoutMs: 200, readers: 1 })
  const endless = 'SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3'
  await expect(olap.sql(endless)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  expect(await olap.positions()).toEqual([0])
  await olap.close()
})

it('answers questions while it writes, each of one moment', async () => {
  const olap = await open()
  let writing = true
  const written = (async () => {
    for (let checkpoint = 1; checkpoint <= 30; checkpoint++) {
      await olap.write({ parts: [olapPart(checkpoint, { aggregates: [aggregateRow({ events: 10 })] })] })
    }
    writing = false
  })()
  const query = { tenant: 'main', metric: 'page_views', version: 1, size: 60_000, from: 0, to: 2 * T0 }
  while (writing) {
    const { rows, positions } = await olap.aggregates(query)
    expect(rows[0]?.events ?? 0).toBe(10 * positions[0])
  }
  await written
  await olap.close()
})

it('knows a late event again that a store of before dead letters had an identity took', async () => {
  const late = [lateEvent(eventLine('late'))]
  const before = await open()
  await before.write({ parts: [olapPart(1, { late })] })
  await before.close()
  const instance = await DuckDBInstance.create(join(folder, FILE))
  const connection = await instance.connect()
  await connection.run('ALTER TABLE dead_letters DROP COLUMN identity')
  connection.closeSync()
  instance.closeSync()

  const olap = await open()
  await olap.write({ parts: [olapPart(2, { late })] })
  expect(await olap.totals('main')).toEqual({ stored: 0, late: 1, duplicate: 1, invalid: 0 })
  await olap.close()
})

it('goes on with the sums that a store of before there were rests and sketches had', async () => {
  const before = await open()
  const rows = [aggregateRow({ n: 2, sum: 5, min: 1, max: 4, members: [1, 2] })]
  await before.write({ parts: [olapPart(1, { aggregates: rows })] })
  await before.close()
  const instance = await DuckDBInstance.create(join(folder, FILE))
  const connection = await instance.connect()
  for (const view of ['minly_points', 'hourly_points']) await connection.run(`DROP VIEW ${view}`)
  for (const column of ['shed', 'comp', 'registers', 'buckets', 'items', 'error']) {
    for (const table of ['minly_aggs', 'hourly_aggs'])
      await connection.run(`ALTER TABLE ${table} DROP COLUMN "${column}"`)
  }
  connection.closeSync()
  instance.closeSync()

  const olap = await open()
  const sketches: Partial<AggregateRow> = { registers: [65], buckets: [[7, 1]], items: [['a', 2]], error: 1 }
  const aggregates = [aggregateRow({ n: 4, shed: 3, sum: 2 ** 53, comp: 1, ...sketches })]
  await olap.write({ parts: [olapPart(2, { aggregates, definitions: [definitionState('page_views', 'SUM')] })] })
  const query = { tenant: 'main', metric: 'page_views', version: 1, size: 60_000, from: 0, to: 2 * T0 }
  const check = async (): Promise<void> => {
    const [stored] = (await olap.aggregates(query)).rows
    expect(stored).toMatchObject({ n: 6, shed: 3, sum: 2 ** 53 + 6, min: 1, max: 4, members: [1, 2], ...sketches })
    expect((await olap.sql('SELECT value, sampled FROM minly_points')).rows).toEqual([[2 ** 53 + 6, 0.5]])
  }
  await check()
  await olap.maintain(T0)
  await check()
  await olap.close()
})
