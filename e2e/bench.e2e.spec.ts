import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../scripts/bench/bench.main.ts', import.meta.url))

test('all that is acknowledged under load is stored and archived once, and the books balance', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const [page, tables] = ['report.html', 'tables.md'].map((name) => join(folder, name))
  const load = [
    '--rate=5000',
    '--warm-up=3',
    '--seconds=12',
    '--connections=16',
    '--plain-seconds=3',
    `--report=${page}`,
    `--markdown=${tables}`,
  ]
  const child = spawnSync(process.execPath, [MAIN, 'e2e', ...load, '--', '--archive-ms=2000'], { encoding: 'utf8' })
  expect({ code: child.status, stderr: child.stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('ledger: balanced'),
  })
  const figures = JSON.parse(child.stdout)
  expect(figures).toMatchObject({
    bench: 'e2e',
    lost: 0,
    duplicated: 0,
    ledgerBalanced: true,
    markers: { notPushed: 0, notStored: 0 },
    stores: { olap: { lost: 0, duplicated: 0 }, archive: { lost: 0, duplicated: 0 } },
  })
  expect(figures.accepted).toBeGreaterThan(0)
  expect(figures.stores.olap.rows).toBeGreaterThanOrEqual(figures.accepted - figures.repeated)
  for (const name of ['acceptedPerSecond', 'p50Ms', 'p99Ms', 'p99ToOlapMs']) expect(figures[name]).toBeGreaterThan(0)
  for (const kind of ['gateway', 'nats-server', 'processor', 'storage']) {
    expect(figures.cpuMicrosPerEvent[kind]).toBeGreaterThan(0)
    expect(figures.maxRssMb[kind]).toBeGreaterThan(0)
  }
  expect(figures.plain).toMatchObject({ acceptedPerSecond: expect.any(Number) })
  expect(await readFile(page, 'utf8')).toMatch(/<svg(?!.*NaN)/s)
  expect(await readFile(tables, 'utf8')).toContain('| archive |')
  await rm(folder, { recursive: true })
})
