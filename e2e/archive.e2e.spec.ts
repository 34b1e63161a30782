import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openStore } from '#infra/testing/store.ts'
import { until } from '#infra/testing/until.ts'
import { expectArchived, runArchive } from './lib/archive.ts'
import { runImport } from './lib/import.ts'
import { SAMPLE_EVENTS } from './lib/sample.ts'
import { start } from './lib/start.ts'

test('an import is in the archive, each line once, though storage is killed while it comes', async () => {
  await using product = await start({ flags: ['--archive-ms=200', '--archive-bytes=50000'] })
  await using store = await openStore(product)
  let isImported = false
  const importing = runImport(product).finally(() => {
    isImported = true
  })
  for (let kills = 0; kills < 4; kills++) {
    const before = product.pids().storage
    process.kill(before, 'SIGKILL')
    await until('storage is back', () => ![before, undefined].includes(product.pids().storage))
    if (!isImported) await until('it writes again', async () => (await store.totals()).stored > 0)
  }
  await importing
  const verified = await expectArchived(product, SAMPLE_EVENTS)

  const compacted = await runArchive(product, 'compact')
  expect(compacted.merged).toBeGreaterThan(0)
  const after = await runArchive(product, 'verify')
  expect(after).toMatchObject({ rows: SAMPLE_EVENTS, missing: 0, duplicated: 0, wrong: 0, damaged: 0, strays: 0 })
  expect(after.files).toBeLessThan(verified.files)
  expect(after.stderr).toMatch(/duplicated +0\n/)

  const listed = await runArchive(product, 'ls')
  expect(listed).toMatchObject({ archive: join(product.dataDir, 'archive'), files: after.files, rows: SAMPLE_EVENTS })
  expect(listed.groups.map(({ date }: { date: string }) => date)).toEqual([
    '2015-05-17',
    '2015-05-18',
    '2015-05-19',
    '2015-05-20',
  ])
})
