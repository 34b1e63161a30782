import { expect, test } from 'vitest'
import { resolveOperation, type SliceOperation } from './operation.ts'
import { createSharedCells } from './shared-cells.ts'
import { foldRow, newSlice } from './slices.ts'
import { definition, row, TENANT, tumbling } from './testing.ts'

const operation = (country: string) =>
  resolveOperation(TENANT, definition(), {
    window: tumbling(60_000),
    by: ['properties.path'],
    where: [{ field: 'country', op: 'EQ', value: country }],
  }) as SliceOperation

const sliceOf = (paths: number) => {
  const slice = newSlice(0, 1)
  const origin = { partition: 0, checkpoint: 1, at: 0, revision: 1 }
  const fold = (path: number): void => foldRow(slice, row(0, ['DE', `/${path}`], 1), origin)
  for (let path = 0; path < paths; path++) fold(path)
  return { slice, fold }
}

test('equal operations group a slice once for each change', () => {
  const shared = createSharedCells()
  const { slice, fold } = sliceOf(3)
  const cells = shared.of(operation('DE'))(slice)
  expect(cells.size).toBe(3)
  expect(shared.of(operation('DE'))(slice)).toBe(cells)
  expect(shared.of(operation('AT'))(slice).size).toBe(0)
  fold(3)
  expect(shared.of(operation('DE'))(slice).size).toBe(4)
  expect(shared.size()).toBe(2)
})

test('what is asked for seldom goes, whoever asks for however much', () => {
  const shared = createSharedCells(1_000)
  const { slice } = sliceOf(200)
  const often = shared.of(operation('DE'))(slice)
  for (let i = 0; i < 500; i++) {
    expect(shared.of(operation(`country ${i}`))(slice).size).toBe(0)
    expect(shared.of(operation('DE'))(slice)).toBe(often)
  }
  expect(shared.size()).toBeLessThanOrEqual(50)
})
