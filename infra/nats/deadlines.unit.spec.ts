import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Deadlines } from './deadlines.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('each is told once that it is over, and not before; one that is deleted is not', () => {
  const deadlines = new Deadlines(50)
  const over: string[] = []
  deadlines.add(500, () => over.push('long'))
  deadlines.add(100, () => over.push('short'))
  const done = deadlines.add(100, () => over.push('done'))
  vi.advanceTimersByTime(99)
  expect(over).toEqual([])
  deadlines.delete(done)
  vi.advanceTimersByTime(51)
  expect(over).toEqual(['short'])
  vi.advanceTimersByTime(349)
  expect(over).toEqual(['short'])
  vi.advanceTimersByTime(10_000)
  expect(over).toEqual(['short', 'long'])
})

test('there is a timer for as long as there is something to look after, and again afterwards', () => {
  const deadlines = new Deadlines(50)
  expect(vi.getTimerCount()).toBe(0)
  const [first, second] = [deadlines.add(1_000, () => {}), deadlines.add(1_000, () => {})]
  expect(vi.getTimerCount()).toBe(1)
  deadlines.delete(first)
  vi.advanceTimersByTime(50)
  expect(vi.getTimerCount()).toBe(1)
  deadlines.delete(second)
  vi.advanceTimersByTime(50)
  expect(vi.getTimerCount()).toBe(0)
  let isOver = false
  deadlines.add(100, () => {
    isOver = true
  })
  vi.advanceTimersByTime(150)
  expect(isOver).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})
