import { expect, test } from 'vitest'
import { createDocumentCache } from './document-cache.ts'

test('the least recently used goes first', () => {
  const cache = createDocumentCache<number>()
  for (let i = 0; i < 500; i++) cache.set(`${i}`, i)
  expect(cache.get('0')).toBe(0)
  cache.set('one more', 500)
  expect([cache.get('0'), cache.get('1'), cache.get('2')]).toEqual([0, undefined, 2])
})

test('long texts are kept as far as all of them together are short, very long ones never', () => {
  const cache = createDocumentCache<number>()
  const long = (i: number): string => `${i} `.padEnd(16_000, '#')
  for (let i = 0; i < 200; i++) cache.set(long(i), i)
  for (let again = 0; again < 100; again++) cache.set(long(199), 199)
  const kept = Array.from({ length: 200 }, (_, i) => cache.get(long(i))).filter((value) => value !== undefined)
  expect(kept).toEqual(Array.from({ length: 31 }, (_, i) => 169 + i))
  cache.set('#'.repeat(16_385), 1)
  expect(cache.get('#'.repeat(16_385))).toBeUndefined()
})
