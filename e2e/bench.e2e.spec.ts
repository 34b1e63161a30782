import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../scripts/bench/bench.main.ts', import.meta.url))

test('all that is acknowledged under load is stored and archived once, and the books balance', () => {
  const load = ['--rate=5000', '--warm-up=3', '--seconds=12', '--connections=16', '--plain-seconds=3']
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
})
