import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasPython } from '#infra/testing/python.ts'
import { openBench } from './bench.ts'
import { runRound } from './round.ts'

const skipped = !hasPython(process.env)
if (skipped) console.error('the fuzz of JSON readers needs python3: install it')

const SEEDS = [1, 2, 3, 4]
const EVENTS = 600

/** Only where nobody relies on it: in CI a missing python3 is a failure. */
describe.skipIf(skipped && !process.env.CI)('what the gateway takes', () => {
  let bench: Awaited<ReturnType<typeof openBench>>
  beforeAll(async () => {
    bench = await openBench()
  })
  afterAll(() => bench?.[Symbol.asyncDispose]())

  test.each(SEEDS)(
    'means the same to JSON.parse, Python, the fold, the live view and DuckDB: seed %i',
    async (seed) => {
      const { accepted, findings } = await runRound(bench, seed, EVENTS)
      expect(findings).toEqual([])
      expect(accepted).toBeGreaterThan(EVENTS / 10)
    },
  )
})
