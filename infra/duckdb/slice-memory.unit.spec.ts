import { describe, expect, it } from 'vitest'
import { aggregateRow, MINUTE, T0 } from '#processors/storage/fixtures.ts'
import { SliceMemory } from './slice-memory.ts'

const ROOMY = 1_000_000

describe('what is remembered of stored slices', () => {
  it('is the sum of the rows of a slice, with how many deltas they were', () => {
    const memory = new SliceMemory(T0 - MINUTE, ROOMY)
    memory.add(aggregateRow({ n: 2, sum: 5, min: 1 }))
    memory.add({ ...aggregateRow({ n: 3, sum: 7, min: -4 }), revisions: 2 })
    memory.add(aggregateRow({ dims: ['DE'] }))
    expect(memory.find(aggregateRow())).toMatchObject({ dims: ['NL'], n: 5, sum: 12, min: -4, revision: 3 })
    expect(memory.find(aggregateRow({ dims: ['DE'] }))).toMatchObject({ n: 1, revision: 1 })
    expect(memory.find(aggregateRow({ metric: 'other' }))).toBeUndefined()
  })

  it('says nothing of slices that may have been stored before it', () => {
    const memory = new SliceMemory(T0, ROOMY)
    memory.add(aggregateRow())
    expect(memory.knows(T0)).toBe(false)
    expect(memory.find(aggregateRow())).toBeUndefined()
    expect(memory.knows(T0 + 1)).toBe(true)
  })

  it('keeps the newest slices where there are too many, and does not claim to know the others any more', () => {
    const memory = new SliceMemory(T0 - 1, 1_000)
    const starts = Array.from({ length: 100 }, (_, i) => T0 + ((i * 37) % 100) * MINUTE)
    for (const start of starts) memory.add(aggregateRow({ start, members: [1, 2, 3] }))
    const known = starts.filter((start) => memory.knows(start)).sort((a, b) => a - b)
    expect(known.length).toBeGreaterThan(5)
    expect(known.length).toBeLessThan(20)
    expect(known.at(-1)).toBe(T0 + 99 * MINUTE)
    const found = known.map((start) => memory.find(aggregateRow({ start })))
    expect(found).toEqual(known.map((start) => expect.objectContaining({ start, members: [1, 2, 3] })))
    memory.add(aggregateRow())
    expect(memory.find(aggregateRow())).toBeUndefined()
  })
})
