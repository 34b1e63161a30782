import { expect, test } from 'vitest'
import { hash128, memberHash, partitionOf } from './hash.ts'

// Computed with the reference implementation's Python binding (mmh3 5, x86 128-bit, seed 7) over UTF-16LE bytes.
const VECTORS: [string, number[]][] = [
  ['', [222681182, 4219767176, 4219767176, 4219767176]],
  ['a', [1061489627, 2748653856, 2748653856, 2748653856]],
  ['ab', [2827216078, 139735514, 139735514, 139735514]],
  ['abcdefgh', [2661956484, 2150516727, 3042461455, 2451355234]],
  ['abcdefghi', [3664111014, 2110640427, 3709987844, 1024678235]],
  ['session-42\0evt-1', [3345957371, 3638126794, 2051638775, 4225157986]],
  ['päge 😀 x', [3916397248, 1874328592, 1967870535, 3392828174]],
  ['0123456789abcdef0123456789abcdefX', [2931599958, 1042848653, 1401723344, 639161613]],
]

test.each(VECTORS)('hash128 of %j equals the reference', (text, expected) => {
  const out = new Uint32Array(4)
  hash128(text, Uint32Array.of(7, 7, 7, 7), out)
  expect([...out]).toEqual(expected)
})

test('a seed makes another hash', () => {
  const [one, two] = [new Uint32Array(4), new Uint32Array(4)]
  hash128('x', Uint32Array.of(1, 2, 3, 4), one)
  hash128('x', Uint32Array.of(1, 2, 3, 5), two)
  expect([...one]).not.toEqual([...two])
})

test('partitions are evenly used and depend on tenant and key alone', () => {
  const counts = new Array(8).fill(0)
  for (let i = 0; i < 8_000; i++) counts[partitionOf('main', `session-${i}`, 8)]++
  expect(Math.min(...counts)).toBeGreaterThan(850)
  expect(Math.max(...counts)).toBeLessThan(1_150)
  expect(partitionOf('main', 'k', 8)).toBe(partitionOf('main', 'k', 8))
})

test('a member is an integer that JSON and doubles keep', () => {
  for (const value of ['', 'u1', 'ü']) {
    expect(Number.isSafeInteger(memberHash(value))).toBe(true)
    expect(memberHash(value)).toBeGreaterThanOrEqual(0)
  }
})
