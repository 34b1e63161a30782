import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { memberHash } from '#schema/hash.ts'
import { packedRank } from '#schema/measures/hyperloglog.ts'
import { bucketOf, bucketValue, GAMMA, QUANTILES } from '#schema/measures/quantiles.ts'
import { countUniques } from '#schema/measures/uniques.ts'
import { type MeasureJson, stateFromJson } from '#schema/measures.ts'
import { whyNoJava } from '../../testing/java.ts'
import { assembleDruid } from '../local/assemble.ts'
import { findJava } from '../local/java.ts'
import { decodeHll, encodeHll } from './hll.ts'
import { decodeQuantiles, encodeQuantiles, QUANTILES_K } from './quantiles.ts'

const PROGRAM = fileURLToPath(new URL('./fixtures/Sketches.java', import.meta.url))
const RUN_MS = 60_000

const why = await whyNoJava(process.env)
const noJava = why !== null && !process.env.CI
if (noJava) console.error(`skipped: sketches and their Java library: ${why}`)

const people = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => memberHash(`person ${from + i}`))
const count = (uniques: MeasureJson): number => countUniques(stateFromJson(uniques).sketch!.uniques!)
/** Registers and ranks, as packed numbers in order. */
const registersOf = ({ members = [], registers = [] }: MeasureJson): number[] => {
  const ranks = new Map<number, number>()
  for (const packed of [...members.map(packedRank), ...registers]) {
    ranks.set(packed >> 6, Math.max(ranks.get(packed >> 6) ?? 0, packed & 63))
  }
  return [...ranks].map(([index, rank]) => index * 64 + rank).sort((a, b) => a - b)
}
const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))

describe.skipIf(noJava)('DataSketches in Java, as Druid uses it', () => {
  let java: string
  let classPath: string
  beforeAll(async () => {
    const found = await findJava(process.env)
    const assembled = await assembleDruid({ java: found, env: process.env, say: console.error })
    java = found.java
    classPath = readFileSync(assembled.classPath, 'utf8').trim()
  }, 900_000)

  /** Words of the answers of one run of the program. */
  const ask = (...questions: string[]): string[][] => {
    const jars = classPath
      .split(':')
      .filter((jar) => jar.includes('datasketches'))
      .join(':')
    const input = questions.map((line) => `${line}\n`).join('')
    const output = execFileSync(java, ['-cp', jars, PROGRAM], { input, timeout: RUN_MS, maxBuffer: 64 << 20 })
    return output
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
  }

  /** Uniques as the deltas of checkpoints: half of each delta by name, the others as registers. */
  const deltas = (size: number): MeasureJson[] =>
    chunks(people(0, size), 700).map((members) => ({
      members: members.filter((_, i) => i % 2 === 0 || size <= 1_000),
      registers: size <= 1_000 ? [] : members.filter((_, i) => i % 2 === 1).map(packedRank),
    }))

  it('merges our uniques into our registers, at any size', () => {
    const sizes = [1, 7, 8, 400, 1_000, 1_600, 5_000, 60_000]
    const answers = ask(...sizes.map((size) => `hll ${deltas(size).map(encodeHll).join(' ')}`))
    for (const [i, size] of sizes.entries()) {
      const back = decodeHll(answers[i][0])
      expect(registersOf(back)).toEqual(registersOf({ members: people(0, size) }))
      expect(count(back)).toBe(count({ members: people(0, size) }))
      // Druid's own estimate of them: HLL's, also of few. Three standard errors; few are all but exact.
      expect(Math.abs(Number(answers[i][1]) / size - 1)).toBeLessThan(size <= 1_000 ? 0.001 : 3 * 0.0105)
    }
  })

  it('makes sketches that we read, and reads again what we write of them', () => {
    const sizes = [5, 20, 1_500, 40_000]
    const made = ask(...sizes.map((size) => `hll-of ${size}`))
    const read = made.map(([base64]) => decodeHll(base64))
    const [ours, theirs] = [read.map(encodeHll), made.map(([base64]) => base64)]
    const again = ask(...ours.map((base64) => `hll ${base64}`), ...theirs.map((base64) => `hll ${base64}`))
    for (const [i, size] of sizes.entries()) {
      expect(Math.abs(count(read[i]) / size - 1)).toBeLessThan(3 * 0.0081)
      expect(registersOf(decodeHll(again[i][0]))).toEqual(registersOf(decodeHll(theirs[i])))
      expect(Math.abs(Number(again[i][1]) / Number(again[i + sizes.length][1]) - 1)).toBeLessThan(3 * 0.0105)
    }
  })

  const near = (value: number, expected: number): void => {
    expect(Math.abs(value / expected - 1)).toBeLessThanOrEqual((GAMMA - 1) / (GAMMA + 1) + 1e-5)
  }

  it('merges our quantiles: few are all there, of many each rank is off by 1 % at most', () => {
    const values = (size: number) => Array.from({ length: size }, (_, i) => 1 + ((i * 7_919) % size))
    const buckets = (some: readonly number[]) => some.map((value): [number, number] => [bucketOf(value), 1])
    const added = (pairs: [number, number][]) => [
      ...pairs.reduce(
        (sum, [bucket, weight]) => sum.set(bucket, (sum.get(bucket) ?? 0) + weight),
        new Map<number, number>(),
      ),
    ]
    const sizes = [1, 2, 100, 511, 512, 5_000, 60_000]
    const questions = sizes.map(
      (size) =>
        `quantiles ${chunks(values(size), 900)
          .map((some) => encodeQuantiles(added(buckets(some)), 0.5))
          .join(' ')}`,
    )
    for (const [i, [base64, n, ...ours]] of ask(...questions).entries()) {
      const [size, back] = [sizes[i], decodeQuantiles(base64)]
      expect(Number(n)).toBe(size)
      const [min, max] = ours.slice(3).map(Number)
      near(min, 1)
      near(max, size)
      if (size < 2 * QUANTILES_K) {
        expect([...back].sort(([a], [b]) => a - b)).toEqual(added(buckets(values(size))).sort(([a], [b]) => a - b))
      }
      let [below, worst] = [0, 0]
      for (const [bucket, weight] of [...back].sort(([a], [b]) => a - b)) {
        below += weight
        const atOrBelow = values(size).filter((value) => bucketOf(value) <= bucket).length
        worst = Math.max(worst, Math.abs(below - atOrBelow) / size)
      }
      expect(worst).toBeLessThanOrEqual(size < 2 * QUANTILES_K ? 0 : 0.01)
      // What Druid's SQL says: a value within the error of the rank and of the bucket.
      for (const [j, quantile] of Object.values(QUANTILES).entries()) {
        const rank =
          values(size).filter((value) => bucketValue(bucketOf(value)) <= Number(ours[j]) * 1.0001).length / size
        expect(Math.abs(rank - quantile)).toBeLessThanOrEqual(0.02 + 1 / size)
      }
    }
  })

  it('makes sketches of quantiles that we read', () => {
    const sizes = [5, 600, 20_000]
    for (const [i, [base64]] of ask(...sizes.map((size) => `quantiles-of ${size}`)).entries()) {
      const back = decodeQuantiles(base64)
      expect([...back.values()].reduce((sum, weight) => sum + weight, 0)).toBe(sizes[i])
    }
  })
})
