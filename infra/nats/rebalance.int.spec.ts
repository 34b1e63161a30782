import { KvWatchInclude } from '@nats-io/kv'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { NewerFormat } from '#processors/ports.ts'
import { createProcessor } from '#processors/runtime/processor.ts'
import { BUCKETS } from '#schema/subjects.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { until } from '../testing/until.ts'
import { connectNats } from './connect.ts'
import { createLeases } from './leases.ts'
import { ensureDeployment } from './setup.ts'

const PARTITIONS = 8
const LEASE_MS = 600
/** A test that passes with it has waited for no time-out. */
const FOR_EVER_MS = 600_000
const silent = { info() {}, warn() {}, error() {} }

let server: TestNats

beforeEach(async () => {
  server = await startTestNats()
  const nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: PARTITIONS })
  await nats.nc.close()
})
afterEach(() => server[Symbol.asyncDispose]())

interface Options {
  leaseMs?: number
  isReady?: (partition: number) => Promise<void>
  refuses?: number
}

/** A processor on a connection of its own that owns partitions without doing anything under them. */
const join = async (id: string, { leaseMs = LEASE_MS, isReady, refuses }: Options = {}) => {
  const nats = await connectNats(server.url, id)
  const leases = await createLeases(nats.broker, { owner: id, kind: 'processor', leaseMs })
  const taken: number[] = []
  const given: number[] = []
  const at = new Set<number>()
  const processor = createProcessor({
    partitions: PARTITIONS,
    leases,
    logger: silent,
    onRefused: () => undefined,
    async run(partition, signal, onReady) {
      if (partition === refuses) throw new NewerFormat('the state is of a newer version')
      taken.push(partition)
      at.add(partition)
      await isReady?.(partition)
      onReady()
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
      at.delete(partition)
      given.push(partition)
    },
  })
  let ended = false
  const end = async (): Promise<void> => {
    if (ended) return
    ended = true
    await nats.nc.close()
    await processor.stop()
  }
  onTestFinished(end)
  return {
    taken,
    given,
    owns: () => [...at].sort((a, b) => a - b),
    /** As kill -9 leaves things: nothing is given back. */
    crash: () => nats.nc.close(),
    async stop() {
      await processor.stop()
      ended = true
      await nats.nc.close()
    },
  }
}
/** What is written into the bucket of leases from now on. */
const watchLeases = async (key?: string) => {
  const nats = await connectNats(server.url, 'watch')
  onTestFinished(() => nats.nc.close())
  const bucket = await nats.kvm.open(BUCKETS.leases)
  return bucket.watch({ key, include: KvWatchInclude.UpdatesOnly })
}

/** Resolves after so many more heartbeats of a member: three are the time of a lease. */
const beats = async (id: string, count: number): Promise<void> => {
  for await (const _ of await watchLeases(`member.processor.${id}`)) if (--count === 0) return
}

type Joined = Awaited<ReturnType<typeof join>>

const evenly = (...members: Joined[]) =>
  until('all partitions have one owner each, in even shares', () => {
    const shares = members.map((member) => member.owns())
    const sizes = shares.map(({ length }) => length)
    return new Set(shares.flat()).size === PARTITIONS && Math.max(...sizes) - Math.min(...sizes) <= 1
  })

test('who joins gets its share, and only the surplus of the others moves', async () => {
  const a = await join('a')
  await evenly(a)
  const b = await join('b')
  await evenly(a, b)
  const c = await join('c')
  await evenly(a, b, c)
  expect(a.given).toHaveLength(5)
  expect(b.given).toHaveLength(1)
  expect([a.taken.length, b.taken.length, c.taken.length]).toEqual([8, 4, 2])
})

test('a partition that is given back waits for no time-out, and the next one for it to be at work', async () => {
  let begin = (): void => undefined
  const began = new Promise<void>((resolve) => {
    begin = resolve
  })
  onTestFinished(begin)
  const a = await join('a')
  await evenly(a)
  const b = await join('b', { isReady: () => began })
  await until('b has its first one', () => b.owns().length === 1)
  await beats('a', 9)
  expect(a.given).toHaveLength(1)
  expect(b.owns()).toEqual(a.given)
  begin()
  await evenly(a, b)
  expect(b.taken).toEqual(a.given)
})

test('what a dead one had goes to the others in even shares, and nothing else moves', async () => {
  const members = [await join('a'), await join('b'), await join('c')] as const
  await evenly(...members)
  const [a, b, c] = members
  const before = [b.given.length, c.given.length]
  await a.crash()
  await evenly(b, c)
  expect([b.given.length, c.given.length]).toEqual(before)
})

test('one that starts again at once takes of what it had, and nothing of the others moves', async () => {
  const members = [await join('a'), await join('b'), await join('c')] as const
  await evenly(...members)
  const [a, b, c] = members
  const before = [b.given.length, c.given.length]
  await a.crash()
  const next = await join('a2')
  await evenly(b, c, next)
  expect([b.given.length, c.given.length]).toEqual(before)
})

test('what a stopping one had is taken at once, by the others and not by itself', async () => {
  const a = await join('a', { leaseMs: FOR_EVER_MS })
  await evenly(a)
  const b = await join('b', { leaseMs: FOR_EVER_MS })
  expect(b.owns()).toEqual([])
  const written = await watchLeases()
  await a.stop()
  await evenly(b)
  expect(a.taken).toHaveLength(PARTITIONS)
  for await (const { key, operation } of written) {
    // It was no member any more before anything was free.
    expect({ key, operation }).toEqual({ key: 'member.processor.a', operation: 'DEL' })
    break
  }
})

test('a partition that one cannot read goes to another one, and shares stay even', async () => {
  const a = await join('a', { refuses: 3 })
  await until('a has what it can have', () => a.owns().length === PARTITIONS - 1)
  const b = await join('b')
  await evenly(a, b)
  expect(b.owns()).toContain(3)
})
