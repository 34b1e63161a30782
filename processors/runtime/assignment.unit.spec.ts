import fc from 'fast-check'
import { expect, test } from 'vitest'
import { assign, type Candidate } from './assignment.ts'

const candidate = (id: string, ...declines: number[]): Candidate => ({ id, declines: new Set(declines) })
const candidates = (...ids: string[]): Candidate[] => ids.map((id) => candidate(id))
const owned = (shares: Record<string, number[]>): Map<number, string> =>
  new Map(Object.entries(shares).flatMap(([id, partitions]) => partitions.map((partition) => [partition, id] as const)))
const byOwner = (assignment: ReadonlyMap<number, string>): Record<string, number[]> => {
  const shares: Record<string, number[]> = {}
  for (const [partition, id] of [...assignment].sort(([a], [b]) => a - b)) {
    shares[id] ??= []
    shares[id].push(partition)
  }
  return shares
}

const IDS = ['a', 'b', 'c', 'd', 'e']
/** Some partitions, some processors, and who owns what: living ones, dead ones or nobody. */
const situation = fc.integer({ min: 1, max: 16 }).chain((partitions) =>
  fc.record({
    partitions: fc.constant(partitions),
    alive: fc.subarray(IDS, { minLength: 1 }),
    owners: fc
      .array(fc.constantFrom(...IDS, null), { minLength: partitions, maxLength: partitions })
      .map((ids) => new Map(ids.flatMap((id, partition) => (id === null ? [] : [[partition, id] as const])))),
  }),
)
const sizes = (assignment: ReadonlyMap<number, string>, alive: readonly string[]): number[] =>
  alive.map((id) => [...assignment.values()].filter((owner) => owner === id).length)

/** The fewest partitions that living owners must give up, so that shares differ by one at most. */
const fewestMoves = (partitions: number, alive: readonly string[], owners: ReadonlyMap<number, string>): number => {
  const shares = sizes(owners, alive).sort((a, b) => b - a)
  const floor = Math.floor(partitions / alive.length)
  const larger = partitions % alive.length
  return shares.reduce((sum, share, i) => sum + Math.max(0, share - (i < larger ? floor + 1 : floor)), 0)
}

test('every partition has an owner, shares differ by one at most, and nothing moves that need not', () => {
  fc.assert(
    fc.property(situation, ({ partitions, alive, owners }) => {
      const target = assign(partitions, candidates(...alive), owners)
      expect(target.size).toBe(partitions)
      const shares = sizes(target, alive)
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      const moved = [...owners].filter(([partition, id]) => alive.includes(id) && target.get(partition) !== id)
      expect(moved).toHaveLength(fewestMoves(partitions, alive, owners))
    }),
  )
})

test('everybody plans the same, in whatever order they list the others', () => {
  fc.assert(
    fc.property(situation, fc.func(fc.integer()), ({ partitions, alive, owners }, order) => {
      const shuffled = alive.toSorted((a, b) => order(a) - order(b))
      expect(assign(partitions, candidates(...shuffled), owners)).toEqual(
        assign(partitions, candidates(...alive), owners),
      )
    }),
  )
})

test('carried out one step at a time in any order, with plans made anew after each, no partition moves twice', () => {
  fc.assert(
    fc.property(situation, fc.infiniteStream(fc.nat()), ({ partitions, alive, owners }, chance) => {
      const now = new Map([...owners].filter(([, id]) => alive.includes(id)))
      const taken = new Set<number>()
      for (;;) {
        const target = assign(partitions, candidates(...alive), now)
        const steps = [...target].filter(([partition, id]) => now.get(partition) !== id)
        if (steps.length === 0) break
        const [partition, id] = steps[chance.next().value % steps.length]
        // A surplus is given back first, and is nobody's for a while.
        if (now.has(partition)) now.delete(partition)
        else {
          expect(taken.has(partition)).toBe(false)
          taken.add(partition)
          now.set(partition, id)
        }
      }
      const shares = sizes(now, alive)
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
    }),
  )
})

test('who joins gets its share, and only the surplus of the others moves', () => {
  const before = owned({ a: [0, 1, 2, 3], b: [4, 5, 6, 7] })
  expect(byOwner(assign(8, candidates('a', 'b', 'c'), before))).toEqual({ a: [0, 1, 2], b: [4, 5, 6], c: [3, 7] })
})

test('what a dead one had is shared out, and nothing else moves', () => {
  const before = owned({ a: [0, 1, 2], b: [3, 4, 5], c: [6, 7] })
  expect(byOwner(assign(8, candidates('b', 'c'), before))).toEqual({ b: [1, 3, 4, 5], c: [0, 2, 6, 7] })
})

test('a partition goes to one that does not decline it, and to nobody when all do', () => {
  const few = [candidate('a', 0, 1), candidate('b', 1)]
  expect(byOwner(assign(3, few, new Map()))).toEqual({ a: [2], b: [0] })
  expect(byOwner(assign(3, few, owned({ a: [0, 1] })))).toEqual({ a: [2], b: [0] })
})
