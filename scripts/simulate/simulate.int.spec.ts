import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('./simulate.main.ts', import.meta.url))

/** The last line of stdout, and stderr; exit codes other than 0 reject. */
const simulate = async (...args: string[]) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args], { maxBuffer: 2 ** 26 })
  return { report: JSON.parse(stdout.trim().split('\n').at(-1)!), story: stderr }
}

test('three hundred seeds of faults end as the naive model says', { timeout: 300_000 }, async () => {
  const { report } = await simulate('--seeds', '300')
  expect(report).toMatchObject({ seeds: 300, failures: 0, failedSeeds: [] })
  // It did something: events, faults, and answers that were awaited twice.
  expect(report.events).toBeGreaterThan(10_000)
  expect(report.faults).toBeGreaterThan(1_000)
  expect(report.retries).toBeGreaterThan(100)
})

test('a seed tells the same story every time, and another seed another', async () => {
  const [first, second, other] = await Promise.all(['5', '5', '6'].map((seed) => simulate('--story', '--seed', seed)))
  expect(first.story.length).toBeGreaterThan(100)
  expect(second).toEqual(first)
  expect(other.story).not.toBe(first.story)
})

test('no guard can be taken away unnoticed', { timeout: 300_000 }, async () => {
  const { report } = await simulate('--mutations', '--seeds', '1000')
  expect(report.mutations.filter(({ seeds }: { seeds: number | null }) => seeds === null)).toEqual([])
  expect(report.unfound).toBe(0)
})
