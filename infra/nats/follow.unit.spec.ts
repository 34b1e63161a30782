import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Broker, Delivery, StoredMessage } from './broker.ts'
import { consumeOnce } from './follow.ts'

const WATCHDOG_MS = 1_500
const message = (seq: number): StoredMessage => ({
  subject: 'mine',
  seq,
  storedAt: 0,
  data: new Uint8Array(),
  header: () => '',
})

/** A consumer that gives what it is told to, on a stream whose last message is `last`; `mine` are those for it. */
const setUp = () => {
  const state = { last: 0, mine: [] as number[], questions: 0 }
  const given: StoredMessage[] = []
  let wake = (): void => undefined
  let stopped = false
  const delivery: Delivery = {
    stop() {
      stopped = true
      wake()
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const next = given.shift()
        if (next) yield next
        else if (stopped) return
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
  const broker: Pick<Broker, 'range' | 'next' | 'consume'> = {
    range: async () => ({ first: 1, last: state.last, bytes: 0, made: '' }),
    async next(_stream, _subject, sequence) {
      state.questions++
      const found = state.mine.find((seq) => seq >= sequence)
      return found === undefined ? null : message(found)
    },
    consume: async () => delivery,
  }
  const stop = new AbortController()
  const from = async () => ({ start: 1, filters: ['mine'] })
  return {
    state,
    stop,
    messages: consumeOnce(broker as Broker, 'stream', from, stop.signal),
    give(seq: number): void {
      given.push(message(seq))
      wake()
    },
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a consumer that is silent about the last message of a stream ends, though the stream grows no more', async () => {
  const { state, messages, give } = setUp()
  state.last = 5
  state.mine = [2, 5]
  const first = messages.next()
  await vi.advanceTimersByTimeAsync(0)
  give(2)
  expect((await first).value?.seq).toBe(2)
  const second = messages.next()
  await vi.advanceTimersByTimeAsync(4 * WATCHDOG_MS)
  expect((await second).done).toBe(true)
})

test('one that has all that is its own stays, and is asked about no more than once for what others wrote', async () => {
  const { state, messages, stop } = setUp()
  state.last = 9
  const next = messages.next()
  await vi.advanceTimersByTimeAsync(10 * WATCHDOG_MS)
  expect(state.questions).toBe(1)
  stop.abort()
  expect((await next).done).toBe(true)
})

test('one whose reader is busy is not silent', async () => {
  const { state, messages, give } = setUp()
  state.last = 5
  state.mine = [2, 5]
  const first = messages.next()
  await vi.advanceTimersByTimeAsync(0)
  give(2)
  await first
  await vi.advanceTimersByTimeAsync(10 * WATCHDOG_MS)
  give(5)
  expect((await messages.next()).value?.seq).toBe(5)
})

test('a stop while the consumer is being made ends it', async () => {
  const { messages, stop } = setUp()
  const next = messages.next()
  stop.abort()
  expect((await next).done).toBe(true)
})
