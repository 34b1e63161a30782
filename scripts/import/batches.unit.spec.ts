import { expect, test } from 'vitest'
import { createBatches } from './batches.ts'

test('batches hold as many events as allowed, in order, with their lines', () => {
  const batches = createBatches(2)
  expect(batches.add({ line: 1, json: '{"a":1}' })).toBeUndefined()
  expect(batches.add({ line: 2, json: '{"a":2}' })).toBeUndefined()
  expect(batches.add({ line: 5, json: '{"a":3}' })).toEqual({ ndjson: '{"a":1}\n{"a":2}', lines: [1, 2] })
  expect(batches.rest()).toEqual({ ndjson: '{"a":3}', lines: [5] })
  expect(batches.rest()).toBeUndefined()
})

test('a batch stays below 900 kB of UTF-8', () => {
  const batches = createBatches(500)
  const json = 'é'.repeat(200_000)
  expect(batches.add({ line: 1, json })).toBeUndefined()
  expect(batches.add({ line: 2, json })).toBeUndefined()
  expect(batches.add({ line: 3, json })?.lines).toEqual([1, 2])
})
