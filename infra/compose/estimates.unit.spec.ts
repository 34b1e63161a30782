import { Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { createCollector } from '#gateway/collect/collector.ts'
import { createCollectMetrics } from '#gateway/collect/metrics.ts'
import { createPriorities } from '#gateway/collect/priority.ts'
import { createShed } from '#gateway/shedding/shed.ts'
import { createFakeGeoIp, createMemoryLog } from '#gateway/testing/fakes.ts'
import { at, FoldHarness, metric } from '#processors/windows/fold-harness.ts'
import { SESSION_END } from '#schema/event.ts'
import { keptShare, measureOf, stateFromJson } from '#schema/measures.ts'
import type { MeasureSpec } from '#schema/metric.ts'
import type { PartitionShedding } from '#schema/shedding.ts'
import { createRandom } from '#scripts/demo/random.ts'

const SESSIONS = 300
const REQUESTS = 4
const GAP_SECONDS = 30

const MEASURES: Record<string, MeasureSpec> = {
  count: { kind: 'COUNT' },
  sum: { kind: 'SUM', field: 'properties.amount' },
  avg: { kind: 'AVG', field: 'properties.amount' },
  uniques: { kind: 'UNIQUES', field: 'sessionId' },
  top: { kind: 'TOPK', field: 'properties.path', k: 2 },
}

interface Sent {
  session: string
  request: number
  amount: number
}

/** The sessions of one seed, of which each sends some pings, in one request or over several. */
const makeTraffic = (seed: number): Sent[] => {
  const random = createRandom(seed, 1)
  return Array.from({ length: SESSIONS }, (_, number) => {
    const size = 1 + Math.floor(random.exponential(3))
    const first = random.whole(0, REQUESTS - 1)
    return Array.from({ length: size }, () => ({
      session: `s${number}`,
      request: random.whole(first, REQUESTS - 1),
      amount: random.whole(1, 400) / 4,
    }))
  }).flat()
}

/** The real way in and the real fold. Before each request the share is set; a conversion of each session goes along. */
const run = async (seed: number, shares: readonly number[]) => {
  const sent = makeTraffic(seed)
  let decide: (decision: PartitionShedding) => void = () => undefined
  const shed = createShed({
    decisions: {
      decisions: () => [],
      onDecision(listener) {
        decide = listener
        return () => undefined
      },
    },
    reports: { partitions: () => [], refused: () => undefined, storage: () => undefined, onReport: () => () => {} },
    partitions: 1,
    // As each deployment draws it.
    seed: Uint32Array.of(seed, seed * 7, seed * 13, seed * 29),
    monotonic: () => 0,
  })
  const memory = createMemoryLog()
  let seconds = 0
  const collector = createCollector({
    log: memory.log,
    geoip: createFakeGeoIp({}),
    clock: { now: () => at(seconds) },
    metrics: createCollectMetrics(new Registry()),
    intake: { note: () => undefined },
    checkSchema: Object.assign(() => 0, { plain: () => null }),
    shedding: { shed, priorityOf: createPriorities({ schemas: [], high: ['conversion'], low: ['ping'] }) },
    partitions: 1,
    processId: 'test',
  })
  const harness = new FoldHarness()
  for (const [name, measure] of Object.entries(MEASURES)) harness.define(metric({ name, event: 'ping', measure }))
  harness.define(metric({ name: 'orders', event: 'conversion' }))
  harness.define(metric({ name: 'ended', event: SESSION_END, sessionGapMs: GAP_SECONDS * 1_000 }))
  let receipts = { shed: 0, accepted: 0 }
  const send = async (events: unknown[]): Promise<void> => {
    const { accepted, shed: lost } = await collector.collect({ tenant: 'main', events })
    receipts = { shed: receipts.shed + lost, accepted: receipts.accepted + accepted }
  }
  for (let request = 0; request < REQUESTS; request++) {
    seconds = request
    const tenants = shares[request] < 1 ? [{ tenant: 'main', share: shares[request], since: 0, reason: '' }] : []
    decide({ partition: 0, owner: 'o', epoch: 1, tenants, at: 0 })
    const pings = sent.flatMap(({ session, request: its, amount }, i) => {
      const properties = { amount, path: i % 3 === 0 ? '/a' : '/b' }
      return its === request ? [{ id: `p${i}`, name: 'ping', sessionId: session, properties }] : []
    })
    const orders = Array.from({ length: 50 }, (_, i) => ({
      id: `o${request}-${i}`,
      name: 'conversion',
      userId: `u${i}`,
    }))
    await send([...pings, ...orders])
  }
  const framesOf = (frames: typeof memory.frames): string[] =>
    frames.flatMap(({ data }) => (data.length > 0 ? [Buffer.from(data).toString()] : []))
  for (const text of framesOf(memory.frames)) harness.raw(seconds, text)
  // It pushes the watermark beyond the end of all sessions.
  const before = memory.frames.length
  seconds = 55
  await send([{ id: 'last', name: 'other', sessionId: 'last' }])
  for (const text of framesOf(memory.frames.slice(before))) harness.raw(seconds, text)
  await collector.drain(1_000)

  const stateOf = (name: string) => {
    const [row] = Object.values(harness.totals(name))
    return stateFromJson(row)
  }
  const value = (name: string): number => measureOf(MEASURES[name] ?? { kind: 'COUNT' }).value(stateOf(name)) ?? 0
  const top = measureOf(MEASURES.top).detail(stateOf('top')) as { value: string; count: number }[]
  return { sent, value, top, receipts, sampled: (name: string) => keptShare(stateOf(name)) }
}

/**
 * Of the estimate of a sum over the events: sessions are drawn for themselves, and of two events of a session the one that
 * came under the smaller share is kept only where the other one is.
 */
const standardError = (sent: readonly Sent[], shares: readonly number[], of: (event: Sent) => number): number => {
  let variance = 0
  for (const events of Map.groupBy(sent, ({ session }) => session).values()) {
    for (const a of events) {
      for (const b of events) variance += of(a) * of(b) * (1 / Math.max(shares[a.request], shares[b.request]) - 1)
    }
  }
  return Math.sqrt(variance)
}

const sumOf = (sent: readonly Sent[], of: (event: Sent) => number): number =>
  sent.reduce((total, event) => total + of(event), 0)
const one = (): number => 1
const amount = (event: Sent): number => event.amount

/** How far estimates are from the truth, in standard errors. */
const errorsOf = ({ sent, value }: Awaited<ReturnType<typeof run>>, shares: readonly number[]) => ({
  count: (value('count') - sumOf(sent, one)) / standardError(sent, shares, one),
  sum: (value('sum') - sumOf(sent, amount)) / standardError(sent, shares, amount),
})

const CONSTANT = [0.5, 0.25, 0.125].map((share) => Array.from({ length: REQUESTS }, () => share))
const CHANGING = [
  [1, 0.5, 0.25, 0.125],
  [0.125, 0.25, 0.5, 1],
]

describe.each([...CONSTANT, ...CHANGING])('at the shares %d, %d, %d and %d', (...shares) => {
  it('counts and sums are within three standard errors of the truth, and what is not LOW is exact', async () => {
    for (const seed of [1, 2, 3, 4]) {
      const result = await run(seed, shares)
      const { sent, value, sampled, receipts, top } = result
      const errors = errorsOf(result, shares)
      expect(Math.abs(errors.count)).toBeLessThan(3)
      expect(Math.abs(errors.sum)).toBeLessThan(3)
      expect([value('orders'), sampled('orders')]).toEqual([50 * REQUESTS, 1])
      expect(receipts.shed).toBeGreaterThan(0)
      const kept = receipts.accepted - 50 * REQUESTS - 1
      expect(kept + receipts.shed).toBe(sent.length)
      expect(sampled('count')).toBeCloseTo(kept / value('count'), 12)
      // Weights are whole, so an average and the most frequent values rest on the same sums to the last digit.
      expect(value('avg')).toBeCloseTo(value('sum') / value('count'), 9)
      expect(top.reduce((total, { count }) => total + count, 0)).toBe(value('count'))
      expect(value('uniques')).toBeLessThan(SESSIONS)
    }
  })
})

it('over many deployments the errors come to nothing: no estimate is biased', async () => {
  const RUNS = 40
  const errors: { count: number; sum: number }[] = []
  const sessions: number[] = []
  for (let seed = 100; seed < 100 + RUNS; seed++) {
    const shares = [...CONSTANT, ...CHANGING][seed % 5]
    const result = await run(seed, shares)
    errors.push(errorsOf(result, shares))
    if (seed % 5 < CONSTANT.length) {
      // Each session that ended, and the customers who order: those are never shed.
      const truth = SESSIONS + 50
      const error = Math.sqrt(SESSIONS * (1 / shares[0] - 1))
      sessions.push((result.value('ended') - truth) / error)
    }
  }
  for (const list of [errors.map(({ count }) => count), errors.map(({ sum }) => sum), sessions]) {
    const mean = list.reduce((a, b) => a + b, 0) / list.length
    const spread = Math.sqrt(list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length)
    expect(Math.abs(mean)).toBeLessThan(3 / Math.sqrt(list.length))
    expect(spread).toBeGreaterThan(0.6)
    expect(spread).toBeLessThan(1.4)
  }
})
