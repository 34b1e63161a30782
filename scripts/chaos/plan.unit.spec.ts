import { expect, test } from 'vitest'
import { type PlannedFault, PROCESSES, planFaults } from './plan.ts'

const kinds = (plan: readonly PlannedFault[]) => new Set(plan.map(({ kind }) => kind))

test('even a short run has every kind of fault, and a kill and a long stop of every process', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const plan = planFaults(seed, 20)
    expect(kinds(plan)).toEqual(
      new Set(['kill', 'blackout', 'stop', 'cut', 'refuse', 'delay', 'narrow', 'freeze', 'leave']),
    )
    for (const process of PROCESSES) {
      const of = plan.filter((fault) => 'process' in fault && fault.process === process)
      expect(of.some(({ kind }) => kind === 'kill')).toBe(true)
      expect(of.some((fault) => fault.kind === 'stop' && fault.forMs > 3_000)).toBe(true)
    }
  }
})

test('faults come in order, within the time of the run', () => {
  const times = planFaults(7, 120).map(({ atMs }) => atMs)
  expect(times).toEqual([...times].sort((a, b) => a - b))
  expect(times.length).toBeGreaterThan(30)
  expect(times.at(-1)).toBeLessThan(120_000)
})

test('a seed is a plan', () => {
  expect(planFaults(3, 60)).toEqual(planFaults(3, 60))
  expect(planFaults(3, 60)).not.toEqual(planFaults(4, 60))
})
