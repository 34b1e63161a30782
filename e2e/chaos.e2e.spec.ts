import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { CHOICES } from '#scripts/chaos/dashboards.ts'
import { STANDING } from '#scripts/chaos/definitions.ts'
import type { ChaosReport } from '#scripts/chaos/report.ts'

const MAIN = fileURLToPath(new URL('../scripts/chaos/chaos.main.ts', import.meta.url))
const SEED = 4
const SECONDS = 22

/** As a user runs it; answers the exit code and the report. It ends with the test, in order, whatever becomes of it. */
const chaos = async (...flags: string[]): Promise<{ code: number | null; report: ChaosReport }> => {
  const child = spawn(process.execPath, [MAIN, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve))
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await closed
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  const code = await closed
  return { code, report: JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') }
}

test('whatever breaks under load, each acknowledged event is stored once, and everybody tells the same windows', async () => {
  const { code, report } = await chaos(`--seconds=${SECONDS}`, `--seed=${SEED}`, '--rate=200')
  expect(report.problems).toEqual([])
  expect(code).toBe(0)
  expect(report).toMatchObject({ seed: SEED, lost: 0, duplicated: 0, windowsDifferent: 0 })
  const { acknowledged, retriesSeen, late, rejected, duplicatesFound, epochs, subscription, faultsDone } = report
  const { archived, definitions, windowsCompared } = report
  // It was a test at all: events came in, and all that can go wrong did.
  for (const count of [acknowledged, retriesSeen, late, rejected, duplicatesFound, windowsCompared, archived])
    expect(count).toBeGreaterThan(0)
  expect(epochs).toBeGreaterThan(8)
  // Each metric changed, and only who looks at one that changes had to begin anew.
  expect(definitions).toBeGreaterThan(STANDING.length + 4)
  expect(subscription).toMatchObject({ snapshots: CHOICES.length, repeated: 0, backwards: 0 })
  expect(subscription.retracted).toBeGreaterThan(0)
  expect(subscription.connections).toBeGreaterThan(CHOICES.length)
  for (const process of ['gateway', 'processor', 'storage', 'nats-server']) {
    expect(faultsDone[`kill ${process}`]).toBeGreaterThan(0)
    expect(faultsDone[`stop ${process}`]).toBeGreaterThan(0)
  }
})
