import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { partitionOf } from '#schema/hash.ts'
import { readTrace } from '#schema/trace.ts'
import type { OutgoingFrame } from '../ports.ts'
import { createMemoryLog } from '../testing/fakes.ts'
import { createAdmission } from './admission.ts'
import { createCollectMetrics } from './metrics.ts'
import { createOpenFrames, type FrameTicket, type OpenFramesDependencies } from './open-frames.ts'

const MINUTE = 29_000_000
const MINUTE_START = MINUTE * 60_000
const traceparent = (digit: string, flags: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`
const turn = () => new Promise((resolve) => setImmediate(resolve))
/** What was acknowledged in this turn has its next frame sent at the end of it. */
const nextTurn = async () => {
  await turn()
  await turn()
}

/** Frames whose acknowledgements the test gives by hand. */
const setUp = (options: Partial<OpenFramesDependencies> = {}) => {
  const acks: { resolve: () => void; reject: (error: Error) => void; deadlineMs: number }[] = []
  const memory = createMemoryLog((_, deadlineMs) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    acks.push({ resolve, reject, deadlineMs })
    return promise
  })
  const metrics = createCollectMetrics(new Registry())
  const frames = createOpenFrames({ log: memory.log, metrics, partitions: 2, processId: 'p', ...options })
  const add = (line: string, partition = 0, tenant = 'main', traceparent?: string) =>
    frames.add({ partition, tenant, line, receivedAt: MINUTE_START, trace: readTrace({ traceparent }) })
  const sent = () => memory.frames.map((frame: OutgoingFrame) => Buffer.from(frame.data).toString())
  return { frames, add, acks, sent, memory }
}

describe('open frames', () => {
  it('hold all events of one turn of the event loop', async () => {
    const { add, sent, memory } = setUp()
    const tickets = [add('1'), add('2', 0, 'other'), add('3')]
    expect(sent()).toEqual([])
    await nextTurn()
    expect(sent()).toEqual(['1\n2\n3'])
    expect(new Set(tickets).size).toBe(1)
    expect([...memory.frames[0].counts]).toEqual([
      ['main', 2],
      ['other', 1],
    ])
  })

  it('of all partitions go together, so that one write of the connection takes them', async () => {
    const appendedAtFlush: number[] = []
    const { add, memory, acks } = setUp({ partitions: 3 })
    const append = memory.log.append
    memory.log.append = (frame, deadlineMs) => {
      // As the connection does: what was published until then is written.
      queueMicrotask(() => appendedAtFlush.push(acks.length))
      return append(frame, deadlineMs)
    }
    for (const partition of [0, 1, 2]) add('1', partition)
    await nextTurn()
    for (const partition of [0, 1, 2]) add('2', partition)
    for (const ack of acks) ack.resolve()
    await nextTurn()
    expect(memory.frames).toHaveLength(6)
    expect(appendedAtFlush).toEqual([3, 3, 3, 6, 6, 6])
  })

  it('take what comes in the turn in which the one before is acknowledged', async () => {
    const { add, acks, sent } = setUp()
    const first = add('1') as FrameTicket
    await nextTurn()
    const second = add('2')
    acks[0].resolve()
    await first.outcome
    expect(add('3')).toBe(second)
    await nextTurn()
    expect(sent()).toEqual(['1', '2\n3'])
  })

  it('fill while one is in flight and go when it is acknowledged', async () => {
    const { add, acks, sent } = setUp()
    const first = add('1') as FrameTicket
    await nextTurn()
    const second = add('2') as FrameTicket
    await nextTurn()
    expect(add('3')).toBe(second)
    expect(sent()).toEqual(['1'])
    acks[0].resolve()
    expect(await first.outcome).toEqual({ acknowledged: true, sequence: 1 })
    await nextTurn()
    expect(sent()).toEqual(['1', '2\n3'])
    acks[1].resolve()
    expect(await second.outcome).toEqual({ acknowledged: true, sequence: 2 })
  })

  it('of one partition do not wait for those of another', async () => {
    const { add, sent } = setUp()
    add('a', 0)
    add('b', 1)
    await nextTurn()
    expect(sent()).toEqual(['a', 'b'])
  })

  it('close at a number of bytes or events, and follow each other in order', async () => {
    const { add, acks, sent } = setUp({ frameBytes: 8, frameEvents: 3 })
    for (const line of ['aaa', 'bbb', 'ccc', 'd', 'e', 'f', 'longer than a frame', 'g']) add(line)
    for (let i = 0; i < 5; i++) {
      await nextTurn()
      expect(sent()).toHaveLength(i + 1)
      acks[i].resolve()
    }
    await nextTurn()
    expect(sent()).toEqual(['aaa\nbbb', 'ccc\nd\ne', 'f', 'longer than a frame', 'g'])
  })

  it('have message ids that differ, also between partitions', async () => {
    const { add, acks, memory } = setUp()
    add('a', 0)
    add('b', 1)
    await nextTurn()
    acks[0].resolve()
    add('c', 0)
    await nextTurn()
    await nextTurn()
    expect(new Set(memory.frames.map((frame) => frame.messageId)).size).toBe(3)
  })

  it('carry the trace context of the first sampled request, else of the first that has one', async () => {
    const { add, memory } = setUp()
    add('1')
    add('2', 0, 'main', traceparent('a', '00'))
    add('3', 0, 'main', traceparent('b', '01'))
    add('4', 0, 'main', traceparent('c', '01'))
    add('5', 1)
    add('6', 1, 'main', traceparent('d', '00'))
    add('7', 1, 'main', traceparent('e', '00'))
    await nextTurn()
    expect(memory.frames.map((frame) => frame.traceparent)).toEqual([traceparent('b', '01'), traceparent('d', '00')])
  })
})

describe('a frame that the log does not confirm', () => {
  it('fails alone, and the next one goes', async () => {
    const failures: [number, string][] = []
    const { add, acks, sent } = setUp({ onFailure: (partition, reason) => failures.push([partition, reason]) })
    const first = add('1') as FrameTicket
    await nextTurn()
    const second = add('2') as FrameTicket
    acks[0].reject(new Error('no answer'))
    expect(await first.outcome).toEqual({ acknowledged: false, reason: 'no answer' })
    await nextTurn()
    expect(sent()).toEqual(['1', '2'])
    acks[1].resolve()
    expect((await second.outcome).acknowledged).toBe(true)
    expect(failures).toEqual([[0, 'no answer']])
  })

  it('leaves those behind it only the rest of their own time; none is sent after its deadline', async () => {
    let now = 0
    const { add, acks, sent } = setUp({ monotonic: () => now, deadlineMs: 100, frameEvents: 1 })
    const tickets = [add('1'), add('2')] as FrameTicket[]
    await nextTurn()
    now = 60
    tickets.push(add('3') as FrameTicket)
    acks[0].resolve()
    await nextTurn()
    now = 100
    tickets.push(add('4') as FrameTicket)
    now = 160
    acks[1].reject(new Error('no answer'))
    await nextTurn()
    // The one that was too late has taken a turn of its own.
    await nextTurn()
    expect(sent()).toEqual(['1', '2', '4'])
    expect(acks.map((ack) => ack.deadlineMs)).toEqual([100, 40, 40])
    acks[2].resolve()
    expect((await Promise.all(tickets.map((ticket) => ticket.outcome))).map((outcome) => outcome.acknowledged)).toEqual(
      [true, false, false, true],
    )
  })
})

describe('bytes that wait', () => {
  it('are bounded, and free again once they are settled', async () => {
    const { add, acks, frames } = setUp({ admission: createAdmission({ limitBytes: 18, highBytes: 0 }) })
    add('1234')
    const last = add('5678') as FrameTicket
    expect(frames.waitingBytes()).toBe(9)
    expect(add('9')).toBe('FULL')
    await nextTurn()
    acks[0].resolve()
    await last.outcome
    expect(frames.waitingBytes()).toBe(0)
    expect(typeof add('9')).toBe('object')
  })

  it('are drained at the end: what waits is sent, and nothing more is taken', async () => {
    const { add, acks, frames, sent } = setUp()
    add('1')
    const drained = frames.drain(10_000)
    expect(add('2')).toBe('CLOSED')
    await nextTurn()
    acks[0].resolve()
    expect(await drained).toBe(true)
    expect(sent()).toEqual(['1'])
    expect(await frames.drain(10_000)).toBe(true)
  })

  it('are given up when draining takes too long', async () => {
    const { add, frames } = setUp()
    add('1')
    expect(await frames.drain(1)).toBe(false)
  })
})

describe('counts of refused events', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  const HOME = partitionOf('main', '', 2)
  const refused = (rejected: number, shed = 0, receivedAt = MINUTE_START) => ({
    tenant: 'main',
    receivedAt,
    rejected,
    shed,
  })
  const slot = (counts: object) => ({ tenant: 'main', minute: MINUTE, accepted: 0, rejected: 0, shed: 0, ...counts })

  it('ride on the next frame of the tenant’s partition, with those of the events', async () => {
    const { frames, add, memory } = setUp()
    frames.refuse(refused(2, 1))
    frames.refuse(refused(3))
    frames.refuse(refused(0, 1, MINUTE_START + 60_000))
    add('1', HOME)
    add('2', HOME)
    await nextTurn()
    expect(memory.frames).toHaveLength(1)
    expect(memory.frames[0].received).toEqual([
      slot({ accepted: 2 }),
      slot({ rejected: 5, shed: 1 }),
      slot({ minute: MINUTE + 1, shed: 1 }),
    ])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(memory.frames).toHaveLength(1)
  })

  it('go alone after a second when no event comes, however many there were', async () => {
    const { frames, memory, acks } = setUp()
    for (let i = 0; i < 1_000; i++) frames.refuse(refused(1))
    await vi.advanceTimersByTimeAsync(999)
    await nextTurn()
    expect(memory.frames).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    await nextTurn()
    expect(memory.frames).toMatchObject([{ partition: HOME, received: [slot({ rejected: 1_000 })] }])
    expect(memory.frames[0].data).toHaveLength(0)
    acks[0].resolve()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(memory.frames).toHaveLength(1)
  })

  it('that went with a frame that was not confirmed go again, under its id and without its events', async () => {
    const { frames, add, memory, acks } = setUp()
    frames.refuse(refused(7))
    const lost = add('1', HOME) as FrameTicket
    await nextTurn()
    acks[0].reject(new Error('no answer'))
    expect((await lost.outcome).acknowledged).toBe(false)
    add('2', HOME)
    await nextTurn()
    acks[1].resolve()
    await nextTurn()
    const [first, second, third] = memory.frames
    expect(second.received).toEqual([slot({ accepted: 1 })])
    expect(third).toMatchObject({ messageId: first.messageId, received: [slot({ rejected: 7 })] })
    expect(third.data).toHaveLength(0)
    acks[2].resolve()
    await vi.advanceTimersByTimeAsync(5_000)
    await nextTurn()
    expect(memory.frames).toHaveLength(3)
  })

  it('are told of when the log is away for longer than it knows message ids', async () => {
    let now = 0
    const failures: string[] = []
    const { frames, memory, acks } = setUp({ monotonic: () => now, onFailure: (_, reason) => failures.push(reason) })
    frames.refuse(refused(7))
    await vi.advanceTimersByTimeAsync(1_000)
    await nextTurn()
    acks[0].reject(new Error('no answer'))
    await nextTurn()
    now = 110_000
    await vi.advanceTimersByTimeAsync(1_000)
    await nextTurn()
    expect(memory.frames).toHaveLength(1)
    expect(failures).toEqual(['no answer', expect.stringContaining('7 refused events')])
  })

  it('go at once when the gateway stops, those too that come while it does', async () => {
    const { frames, memory, acks } = setUp()
    frames.refuse(refused(1))
    const drained = frames.drain(10_000)
    await nextTurn()
    frames.refuse(refused(2))
    acks[0].resolve()
    await nextTurn()
    acks[1].resolve()
    expect(await drained).toBe(true)
    expect(memory.frames.map((frame) => frame.received)).toEqual([[slot({ rejected: 1 })], [slot({ rejected: 2 })]])
  })
})
