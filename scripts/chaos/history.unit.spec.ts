import { expect, test } from 'vitest'
import type { CountedEvent } from './fields.ts'
import { eventsOf, placeProblems } from './history.ts'

const places = (...sequences: number[]) => new Map(sequences.map((sequence, partition) => [partition, sequence]))
const VERSIONS = [1, 2].map((version) => ({ version, definition: null }))

test('each version stands once in every partition, one behind the other', () => {
  const problems = (...of: Map<number, number>[]) =>
    placeProblems('m', VERSIONS, new Map(of.map((one, i) => [i + 1, one])), 2)
  expect(problems(places(1, 2), places(5, 3))).toEqual([])
  expect(problems(places(1, 2), places(5))).toEqual(['m 2 is known in 1 partitions'])
  expect(problems(places(1, 2))).toEqual(['m 2 is known in 0 partitions'])
  expect(problems(places(1, 4), places(5, 3))).toEqual(['m 2 stands before an earlier version'])
  expect(problems(places(1, 2), places(5, 3), places(6, 6))).toEqual(['nobody asked for m 3'])
})

test('a version counts what stands behind it in its partition, and before the next one', () => {
  const event = (partition: number, sequence: number) => ({ partition, sequence }) as CountedEvent
  const events = [event(0, 1), event(0, 3), event(0, 7), event(1, 3), event(1, 5), event(2, 9)]
  const counted = (next?: Map<number, number>) =>
    [...eventsOf(events, places(2, 4), next)].map(({ partition, sequence }) => `${partition} ${sequence}`)
  expect(counted()).toEqual(['0 3', '0 7', '1 5'])
  expect(counted(places(6, 8))).toEqual(['0 3', '1 5'])
})
