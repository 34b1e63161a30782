import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Broker, Bucket, Delivery } from './broker.ts'
import { createLeases } from './leases.ts'

const LEASE_MS = 3_000

/** A bucket that stores what is written, and loses the answers that a test wants lost. */
const setUp = () => {
  const values = new Map<string, { text: string; revision: number }>()
  const state = { loses: (_key: string): boolean => false, revision: 0 }
  const write = async (key: string, text: string, timeoutMs = 5_000): Promise<number> => {
    values.set(key, { text, revision: ++state.revision })
    if (!state.loses(key)) return state.revision
    await new Promise((resolve) => setTimeout(resolve, timeoutMs))
    throw new Error('timeout')
  }
  const bucket: Bucket = {
    get: async (key) => {
      const value = values.get(key)
      return value ? { key, ...value } : null
    },
    put: write,
    create: write,
    update: (key, text, _revision, timeoutMs) => write(key, text, timeoutMs),
    delete: async (key) => void values.delete(key),
  }
  const silent: Delivery = { stop: () => undefined, async *[Symbol.asyncIterator]() {} }
  const broker: Pick<Broker, 'bucket' | 'range' | 'consume'> = {
    bucket: async () => bucket,
    range: async () => ({ first: 0, last: 0 }),
    consume: async () => silent,
  }
  return { values, state, open: () => createLeases(broker as Broker, { owner: 'me', kind: 'test', leaseMs: LEASE_MS }) }
}

beforeEach(
  () =>
    void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] }),
)
afterEach(() => void vi.useRealTimers())

test('a renewal whose answer got lost is followed by the next before the lease has run out', async () => {
  const { values, state, open } = setUp()
  const leases = await open()
  const lost: string[] = []
  leases.onLost((name) => lost.push(name))
  expect(await leases.acquire('partition-0')).toBe(true)
  let losses = 0
  state.loses = (key) => key === 'partition-0' && losses++ === 0
  const before = values.get('partition-0')!.revision
  const renewals = (): number => values.get('partition-0')!.revision - before
  await vi.advanceTimersByTimeAsync(LEASE_MS)
  expect(losses).toBeGreaterThan(1)
  expect(renewals()).toBeGreaterThan(1)
  expect(lost).toEqual([])
  const closing = leases.close()
  await vi.advanceTimersByTimeAsync(LEASE_MS)
  await closing
})
