import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createBacklog } from './backlog.ts'

/** Bytes that a message takes beside its events, and that an event takes. */
const [HEADERS, EVENT] = [220, 300]

/** A log of frames with so many events each, of which the first are read, and a look at it. */
const setUp = () => {
  const frames: number[] = []
  const backlog = createBacklog()
  let [read, expired] = [0, 0]
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)
  return {
    arrive: (...events: number[]) => void frames.push(...events),
    read(count: number) {
      read = Math.min(frames.length, read + count)
    },
    expire(count: number) {
      expired = Math.min(read, expired + count)
    },
    look(now = 0) {
      const kept = frames.slice(expired)
      const bytes = kept.length * HEADERS + sum(kept) * EVENT
      const events = sum(frames.slice(0, read))
      const extent = { first: expired + 1, last: frames.length, bytes }
      return backlog.look(extent, { sequence: read, bytes: events * EVENT, events }, now)
    },
    unread: () => sum(frames.slice(read)),
  }
}
const many = (count: number, events: number): number[] => Array.from({ length: count }, () => events)

test('nothing waits where all is read', () => {
  const { arrive, read, look } = setUp()
  expect(look(1)).toEqual({ events: 0, since: undefined })
  arrive(...many(5, 100))
  read(5)
  expect(look(2)).toEqual({ events: 0, since: undefined })
})

test('frames that have become small are small in what waits', () => {
  const { arrive, read, look, unread } = setUp()
  look(0)
  arrive(...many(20, 100))
  read(10)
  expect(look(1_000)).toEqual({ events: 999, since: 1_000 })
  arrive(...many(10, 10))
  read(2)
  const { events } = look(2_000)
  expect(unread()).toBe(900)
  expect(Math.abs(events / unread() - 1)).toBeLessThan(0.02)
})

test('messages wait since the log was first seen to reach them', () => {
  const { arrive, read, look } = setUp()
  look(0)
  arrive(1, 1)
  expect(look(1_000).since).toBe(1_000)
  arrive(1)
  expect(look(2_000).since).toBe(1_000)
  read(2)
  expect(look(3_000).since).toBe(2_000)
  read(1)
  expect(look(4_000).since).toBeUndefined()
})

test('who takes a partition over knows of what is there already, as full as the first that it reads', () => {
  const { arrive, read, look } = setUp()
  arrive(...many(100, 50))
  expect(look(1_000).since).toBe(1_000)
  read(20)
  const { events, since } = look(2_000)
  expect(since).toBe(1_000)
  expect(Math.abs(events / 4_000 - 1)).toBeLessThan(0.01)
})

test('whatever arrives, is read and expires, it is off by no more than the headers and what a look cannot see', () => {
  const step = fc.record({
    frames: fc.array(fc.integer({ min: 40, max: 60 }), { maxLength: 20 }),
    read: fc.nat(15),
    expire: fc.nat(5),
  })
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => {
      const log = setUp()
      log.look(0)
      log.arrive(...many(20, 50))
      log.read(10)
      log.look(1)
      steps.forEach(({ frames, read, expire }, i) => {
        log.arrive(...frames)
        log.read(read)
        log.expire(expire)
        const { events } = log.look(i + 2)
        expect(Math.abs(events - log.unread())).toBeLessThanOrEqual(0.25 * log.unread() + 200)
        if (log.unread() === 0) expect(events).toBe(0)
      })
    }),
  )
})
