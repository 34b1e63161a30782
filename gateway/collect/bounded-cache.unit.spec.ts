import { expect, it } from 'vitest'
import { createBoundedCache } from './bounded-cache.ts'

it('makes a value once while its key is in use, and never holds more than its size', () => {
  const cache = createBoundedCache<number | undefined>(4)
  const made: string[] = []
  const get = (key: string) =>
    cache.get(key, () => {
      made.push(key)
      return undefined
    })
  for (const key of ['a', 'b', 'a', 'c', 'a', 'd', 'a', 'e', 'a', 'b']) {
    get(key)
    expect(cache.size()).toBeLessThanOrEqual(4)
  }
  expect(made).toEqual(['a', 'b', 'c', 'd', 'e', 'b'])
})
