import fc from 'fast-check'
import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { partitionOf } from '#schema/hash.ts'
import { createIntake } from '../indicators/intake.ts'
import type { OutgoingFrame } from '../ports.ts'
import type { Shed } from '../shedding/shed.ts'
import { createFakeGeoIp, createMemoryLog } from '../testing/fakes.ts'
import { createAdmission } from './admission.ts'
import { type CollectorDependencies, createCollector } from './collector.ts'
import { createCollectMetrics } from './metrics.ts'
import type { OpenFramesDependencies } from './open-frames.ts'
import { createPriorities } from './priority.ts'
import { createSchemaCheck } from './schema-check.ts'

const NOW = Date.UTC(2026, 5, 1, 12)
const checkSchema = createSchemaCheck(BUILTIN_SCHEMAS)

const setUp = (
  answer?: (frame: OutgoingFrame) => Promise<void>,
  frames: Partial<OpenFramesDependencies> = {},
  shedding?: CollectorDependencies['shedding'],
) => {
  const memory = createMemoryLog(answer)
  const metrics = createCollectMetrics(new Registry())
  const intake = createIntake(() => 0)
  const collector = createCollector({
    log: memory.log,
    geoip: createFakeGeoIp({ '5.6.7.8': 'DE' }),
    clock: { now: () => NOW },
    metrics,
    intake,
    checkSchema,
    shedding,
    partitions: 8,
    processId: 'test',
    frames,
  })
  const send = (events: unknown[], more: object = {}) => collector.collect({ tenant: 'main', events, ...more })
  return { ...memory, collector, send, metrics, intake }
}
const event = (id: string, more: object = {}) => ({ id, name: 'x', ...more })

describe('the log', () => {
  it('gets each event as one line with the server’s fields beside it', async () => {
    const { send, lines } = setUp()
    await send([
      event('i', {
        sessionId: 's',
        time: '2026-06-01T11:00:00Z',
        context: { ip: '5.6.7.8', userAgent: 'Googlebot/2.1' },
      }),
    ])
    expect(lines()).toEqual([
      {
        tenant: 'main',
        source: 'live',
        receivedAt: NOW,
        time: NOW - 3_600_000,
        key: 's',
        weight: 1,
        country: 'DE',
        browser: 'Googlebot',
        device: 'bot',
        schema: 0,
        e: {
          id: 'i',
          name: 'x',
          time: '2026-06-01T11:00:00Z',
          sessionId: 's',
          context: { userAgent: 'Googlebot/2.1' },
        },
      },
    ])
  })

  it('gets exactly what was sent, whatever characters are in it', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((value) => !value.includes('\0'))
    const sent = fc.record({
      id: text,
      userId: text,
      properties: fc.dictionary(
        text.filter((key) => key !== '__proto__'),
        fc.jsonValue({ maxDepth: 3 }),
      ),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(sent, { selector: (one) => one.id, minLength: 1, maxLength: 5 }),
        async (values) => {
          const { send, lines } = setUp()
          const events = values.map((value) => ({ name: 'x', ...(JSON.parse(JSON.stringify(value)) as typeof value) }))
          // Keys named __proto__ are refused; fast-check likes them.
          fc.pre((await send(events)).rejected === 0)
          const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1)
          expect(
            lines()
              .map((line) => line.e)
              .sort(byId),
          ).toEqual([...events].sort(byId))
        },
      ),
    )
  })

  it('gets an event in the partition of its session, user, anonymous id or own id', async () => {
    const { send, frames } = setUp()
    const events = [
      event('1', { sessionId: 's', userId: 'u' }),
      event('2', { userId: 'u', anonymousId: 'a' }),
      event('3', { anonymousId: 'a' }),
      event('4'),
    ]
    await send(events)
    const placed = frames.flatMap((frame) =>
      Buffer.from(frame.data)
        .toString()
        .split('\n')
        .map((line) => [JSON.parse(line).key, frame.partition]),
    )
    expect(new Map(placed as [string, number][])).toEqual(
      new Map(['s', 'u', 'a', '4'].map((key) => [key, partitionOf('main', key, 8)])),
    )
  })
})

describe('the receipt', () => {
  it('has a verdict for each event, in the order sent', async () => {
    const { send } = setUp()
    const problems = new Map([[1, { code: 'MALFORMED' as const, message: 'no JSON' }]])
    const receipt = await send([event('a'), undefined, event('c'), { ...event('d'), weight: 2 }], { problems })
    expect([receipt.accepted, receipt.shed, receipt.rejected]).toEqual([2, 0, 2])
    expect(
      receipt.verdicts.map(({ index, id, status, code, retryable }) => [index, id, status, code, retryable]),
    ).toEqual([
      [0, 'a', 'ACCEPTED', null, false],
      [1, '', 'REJECTED', 'MALFORMED', false],
      [2, 'c', 'ACCEPTED', null, false],
      [3, 'd', 'REJECTED', 'MALFORMED', false],
    ])
  })

  it('tells the id that an event without one got', async () => {
    const { send, lines } = setUp()
    const { verdicts } = await send([{ name: 'x' }])
    expect(verdicts[0].id).toBe(lines()[0].e.id)
  })

  it('of no events is one of zeros', async () => {
    expect(await setUp().send([])).toEqual({ accepted: 0, shed: 0, rejected: 0, refused: [], verdicts: [] })
  })

  it('comes after the log has confirmed the last frame, not before', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const { send } = setUp(() => promise)
    let answered = false
    const receipt = send([event('a')]).then(() => {
      answered = true
    })
    await new Promise((done) => setImmediate(() => setImmediate(done)))
    expect(answered).toBe(false)
    resolve()
    await receipt
  })

  it('tells which events can be sent again when a part of the frames was not confirmed', async () => {
    const one = 'a'
    const other = ['b', 'c', 'd', 'e'].find((id) => partitionOf('main', id, 8) !== partitionOf('main', one, 8))!
    const broken = partitionOf('main', other, 8)
    const { send } = setUp((frame) =>
      frame.partition === broken ? Promise.reject(new Error('no answer')) : Promise.resolve(),
    )
    const { verdicts } = await send([event(one), event(other)])
    expect(verdicts).toMatchObject([
      { id: one, status: 'ACCEPTED' },
      { id: other, status: 'REJECTED', code: 'OVERLOADED', retryable: true, retryAfterMs: 1000 },
    ])
  })
})

describe('a request', () => {
  it('of which nothing was confirmed is UNAVAILABLE, and OVERLOADED when too much waits', async () => {
    const away = setUp(() => Promise.reject(new Error('no answer')))
    await expect(away.send([event('a'), {}])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      details: { retryAfterMs: 1000 },
    })
    const full = setUp(undefined, { admission: createAdmission({ limitBytes: 10, highBytes: 0 }) })
    await expect(full.send([event('a')])).rejects.toMatchObject({ code: 'OVERLOADED', retryable: true })
    await expect(full.send([{}])).resolves.toMatchObject({ rejected: 1 })
  })

  it('of which nothing was taken counts by event as much as any other', async () => {
    const away = setUp(() => Promise.reject(new Error('no answer')))
    await expect(away.send([event('a'), event('b'), {}, event('c')])).rejects.toThrow()
    expect(away.intake.dropRate()).toBe(3 / 4)
    const { values } = await away.metrics.refused.get()
    expect(Object.fromEntries(values.map(({ labels, value }) => [labels.code, value]))).toEqual({
      OVERLOADED: 3,
      MALFORMED: 1,
    })
    const fine = setUp()
    await fine.send([event('a'), {}])
    expect(fine.intake.dropRate()).toBe(0)
    expect((await fine.metrics.accepted.get()).values).toMatchObject([{ value: 1 }])
  })

  it('with too many events, or a source that is no name, is refused before anything is taken', async () => {
    const { send, frames } = setUp()
    await expect(send(Array(5001).fill(event('a')))).rejects.toMatchObject({ code: 'TOO_MANY_EVENTS' })
    for (const source of ['', 'Import', 'a b', '-a', 'a'.repeat(129), 'a/../b', 'ä']) {
      await expect(send([event('a')], { source })).rejects.toMatchObject({ code: 'BAD_INPUT' })
    }
    expect((await send([event('a')], { source: `import-${'0'.repeat(64)}` })).accepted).toBe(1)
    expect(frames).toHaveLength(1)
  })

  it('after draining is UNAVAILABLE', async () => {
    const { send, collector } = setUp()
    await collector.drain(10)
    await expect(send([event('a')])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('refused events', () => {
  const refusals = async (answer?: (frame: OutgoingFrame) => Promise<void>) => {
    const { send, frames, collector } = setUp(answer, {
      deadlineMs: 50,
      admission: createAdmission({ limitBytes: 1_000, highBytes: 0 }),
    })
    const counted = async () => {
      await collector.drain(1_000)
      return frames.flatMap(({ received }) => received ?? []).reduce((sum, { rejected }) => sum + rejected, 0)
    }
    return { send, counted, frames }
  }

  it('are counted by tenant and minute, in the log, when their receipt says that they are rejected', async () => {
    const { send, counted, frames } = await refusals()
    await send([event('a'), { id: 'no name' }, 'no event'])
    expect(await counted()).toBe(2)
    const [{ tenant, minute }] = frames.flatMap(({ received }) => received ?? []).filter(({ rejected }) => rejected > 0)
    expect([tenant, minute]).toEqual(['main', NOW / 60_000])
  })

  it('that may be sent again are not: they are counted when they come again', async () => {
    const { send, counted } = await refusals()
    const large = event('large', { properties: { text: 'x'.repeat(2_000) } })
    expect((await send([event('a'), large])).rejected).toBe(1)
    await expect(send([large, 'no event'])).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(await counted()).toBe(0)
  })
})

describe('under load shedding', () => {
  /** Of LOW events only sessions that begin with k are kept, each for four. */
  const shed: Shed['weightOf'] = (_tenant, _partition, key, priority) => {
    if (priority !== 'LOW') return 1
    return key.startsWith('k') ? 4 : 0
  }
  const priorityOf = createPriorities({ schemas: BUILTIN_SCHEMAS, high: [], low: [] })
  const shedding = { shed: { weightOf: shed }, priorityOf }

  it('an event is kept with its weight, or shed for good; the ledger and the drop rate are told', async () => {
    const { send, lines, frames, intake, collector } = setUp(undefined, {}, shedding)
    const receipt = await send([
      event('1', { name: 'ping', sessionId: 'kept' }),
      event('2', { name: 'ping', sessionId: 'lost' }),
      event('3', { name: 'page_view', sessionId: 'lost' }),
      event('4', { name: 'conversion', sessionId: 'lost' }),
      event('5', { name: 'ping', sessionId: 'lost', time: '1999-01-01T00:00:00Z' }),
    ])
    expect([receipt.accepted, receipt.shed, receipt.rejected]).toEqual([3, 1, 1])
    expect(receipt.verdicts.map(({ status, code, retryable }) => [status, code, retryable])).toEqual([
      ['ACCEPTED', null, false],
      ['SHED', 'SHED', false],
      ['ACCEPTED', null, false],
      ['ACCEPTED', null, false],
      ['REJECTED', 'TIME_OUT_OF_RANGE', false],
    ])
    const weights = lines().map(({ e, weight }) => [e.id, weight])
    expect(weights.sort()).toEqual([
      ['1', 4],
      ['3', 1],
      ['4', 1],
    ])
    expect(intake.dropRate()).toBe(0.2)
    await collector.drain(1_000)
    const received = frames.flatMap((frame) => frame.received ?? [])
    expect(received.reduce((sum, one) => sum + one.shed, 0)).toBe(1)
    expect(received.reduce((sum, one) => sum + one.rejected, 0)).toBe(1)
  })

  it('a request of which all was shed is answered, and not to be sent again', async () => {
    const { send } = setUp(undefined, {}, shedding)
    const receipt = await send([event('2', { name: 'ping', sessionId: 'lost' })])
    expect(receipt).toMatchObject({ accepted: 0, shed: 1, rejected: 0 })
  })
})
