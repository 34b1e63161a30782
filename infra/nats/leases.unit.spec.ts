import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Broker, type Bucket, type Delivery, Refused } from './broker.ts'
import { createLeases } from './leases.ts'

const LEASE_MS = 3_000

/** A bucket that stores what is written, and loses the answers that a test wants lost. */
const setUp = () => {
  const values = new Map<string, { text: string; revision: number }>()
  const state = { loses: (_key: string): boolean => false, answerMs: 0, revision: 0 }
  const write = async (key: string, text: string, timeoutMs = 5_000): Promise<number> => {
    const revision = ++state.revision
    values.set(key, { text, revision })
    if (state.answerMs > 0) await new Promise((resolve) => setTimeout(resolve, state.answerMs))
    if (!state.loses(key)) return revision
    await new Promise((resolve) => setTimeout(resolve, timeoutMs))
    throw new Error('timeout')
  }
  const bucket: Bucket = {
    get: async (key) => {
      const value = values.get(key)
      return value ? { key, ...value, storedAt: 0 } : null
    },
    put: write,
    create: write,
    async update(key, text, revision, timeoutMs) {
      if (values.get(key)?.revision !== revision) throw new Refused(10071, 'wrong last sequence')
      return write(key, text, timeoutMs)
    },
    delete: async (key) => void values.delete(key),
  }
  const silent: Delivery = { stop: () => undefined, async *[Symbol.asyncIterator]() {} }
  const broker: Pick<Broker, 'bucket' | 'range' | 'consume'> = {
    bucket: async () => bucket,
    range: async () => ({ first: 0, last: 0, bytes: 0, made: '' }),
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

test('a lease that is given back while it is being renewed is free, and nobody renews it', async () => {
  const { values, state, open } = setUp()
  const leases = await open()
  await leases.acquire('partition-0')
  state.answerMs = 200
  // The member's own heartbeat, and in the middle of the renewal that follows it.
  await vi.advanceTimersByTimeAsync(LEASE_MS / 3 + 300)
  const releasing = leases.release('partition-0')
  await vi.advanceTimersByTimeAsync(1_000)
  await releasing
  expect(JSON.parse(values.get('partition-0')!.text)).toEqual({ owner: 'me', released: true })
  const { revision } = values.get('partition-0')!
  await vi.advanceTimersByTimeAsync(2 * LEASE_MS)
  expect(values.get('partition-0')!.revision).toBe(revision)
  const closing = leases.close()
  await vi.advanceTimersByTimeAsync(LEASE_MS)
  await closing
})
