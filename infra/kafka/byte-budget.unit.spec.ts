import { expect, test, vi } from 'vitest'
import { createByteBudget } from './byte-budget.ts'

test('who waits is served in order, when there is room for him', async () => {
  const budget = createByteBudget(100)
  const first = budget.tryTake(60)!
  const order: string[] = []
  const take = (name: string, bytes: number) =>
    budget.take(bytes, 10_000).then((lease) => {
      order.push(name)
      return lease!
    })
  const large = take('large', 80)
  const small = take('small', 30)
  // There would be room for it, but others have waited longer.
  expect(budget.tryTake(5)).toBeNull()
  first.resize(20)
  ;(await large).release()
  ;(await small).release()
  first.release()
  expect(order).toEqual(['large', 'small'])
  expect(budget.taken()).toBe(0)
})

test('one that is larger than all is served when nothing else is taken', async () => {
  const budget = createByteBudget(100)
  const first = budget.tryTake(1)!
  const huge = budget.take(1_000, 10_000)
  first.release()
  expect((await huge)!.bytes).toBe(1_000)
})

test('who has waited too long gets none, and holds nobody up', async () => {
  vi.useFakeTimers()
  const budget = createByteBudget(100)
  const first = budget.tryTake(50)!
  const large = budget.take(90, 100)
  const small = budget.take(40, 10_000)
  await vi.advanceTimersByTimeAsync(100)
  vi.useRealTimers()
  expect(await large).toBeNull()
  expect((await small)!.bytes).toBe(40)
  first.release()
  expect(budget.taken()).toBe(40)
})

test('shares become smaller as memory is taken, down to the least one', () => {
  const budget = createByteBudget(100)
  expect(budget.share(50, 5)).toBe(25)
  budget.tryTake(60)
  expect(budget.share(50, 5)).toBe(10)
  budget.tryTake(40)
  expect(budget.share(50, 5)).toBe(5)
})
