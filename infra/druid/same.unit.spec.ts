import fc from 'fast-check'
import { expect, test } from 'vitest'
import { holds } from './same.ts'
import type { Json } from './specs.ts'

const json = fc.jsonValue({ maxDepth: 4 }).map((value) => value as Json)

test('what is found holds itself, and itself with defaults beside it', () => {
  fc.assert(fc.property(json, (value) => holds(structuredClone(value), value)))
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json), fc.dictionary(fc.string(), json), (wanted, more) =>
      holds({ ...(more as object), ...(wanted as object) } as Json, wanted as Json),
    ),
  )
})

test.each<[Json, Json]>([
  ['PT1H', 'PT3600S'],
  ['P1D', 'PT86400S'],
  ['PT2M30S', 'PT150S'],
  ['tenant', { type: 'string', name: 'tenant', multiValueHandling: 'SORTED_ARRAY', createBitmapIndex: true }],
  ['NONE', { type: 'none' }],
])('%o is written %o by Druid', (wanted, found) => {
  expect(holds(found, wanted)).toBe(true)
})

test.each<[Json, Json]>([
  ['PT1H', 'PT3601S'],
  ['PT1H', 'P1H'],
  ['tenant', { type: 'long', name: 'tenant' }],
  ['NONE', { type: 'all' }],
  [1, '1'],
  [null, 0],
  [[1, 2], [1]],
  [[1], [1, 2]],
  [{ a: { b: 1 } }, { a: { b: 2 } }],
  [{ a: 1 }, {}],
  [{}, []],
  [[], {}],
])('%o is not %o', (wanted, found) => {
  expect(holds(found, wanted)).toBe(false)
})
