import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeRecord } from './record-batch.ts'
import { createRecordCache } from './record-cache.ts'

const record = (offset: number, bytes: number) => encodeRecord(offset, 0, Buffer.alloc(bytes))

test('whatever happens, it holds the newest of all within its bound, and each from its own place on', () => {
  const step = fc.record({
    part: fc.nat(2),
    kind: fc.constantFrom('append' as const, 'append' as const, 'append' as const, 'reset' as const),
    gap: fc.nat(3),
    sizes: fc.array(fc.nat(200), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const most = 1_000
      const cache = createRecordCache(most)
      const parts = [0, 1, 2].map(() => ({
        handle: cache.open(),
        next: 1,
        all: [] as { offset: number; bytes: number }[],
      }))
      for (const { part, kind, gap, sizes } of steps) {
        const it = parts[part]
        if (kind === 'reset') {
          it.handle.reset(it.next)
          it.all = []
          continue
        }
        const entries = sizes.map((size) => {
          const entry = record(it.next, size)
          it.next += 1 + gap
          it.all.push({ offset: entry.offset, bytes: entry.batch.length })
          return entry
        })
        it.handle.append(entries)
        expect(cache.bytes()).toBeLessThanOrEqual(most)
      }
      let held = 0
      for (const { handle, all, next } of parts) {
        const kept = all.filter(({ offset }) => offset >= handle.from())
        held += kept.reduce((sum, { bytes }) => sum + bytes, 0)
        expect(handle.read(0, most * 2).map(({ offset }) => offset)).toEqual(kept.map(({ offset }) => offset))
        expect(handle.from()).toBeLessThanOrEqual(next)
      }
      expect(cache.bytes()).toBe(held)
    }),
  )
})

test('the oldest one of all partitions leaves first', () => {
  const bytes = record(1, 10).batch.length
  const cache = createRecordCache(2 * bytes)
  const [a, b] = [cache.open(), cache.open()]
  a.append([record(1, 10)])
  b.append([record(1, 10)])
  a.append([record(2, 10)])
  expect([a.from(), a.read(0, 1e6).length, b.from(), b.read(0, 1e6).length]).toEqual([2, 1, 0, 1])
})

test('a reader gets one record at least, and no more than fit', () => {
  const cache = createRecordCache(1e6)
  const part = cache.open()
  part.append([1, 2, 3].map((offset) => record(offset, 100)))
  const offsets = (from: number, bytes: number) => part.read(from, bytes).map(({ offset }) => offset)
  expect([offsets(1, 0), offsets(2, 2 * record(1, 100).batch.length), offsets(4, 1e6)]).toEqual([[1], [2, 3], []])
})
