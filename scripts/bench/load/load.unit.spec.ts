import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Bits } from './bits.ts'
import { NUMBER_SQL } from './event-id.ts'
import { readHttpAnswer } from './http-response.ts'
import { createMix } from './mix.ts'
import { envelopeOf } from './protocol.ts'
import { readReceipt } from './receipt.ts'
import { createSchedule } from './schedule.ts'
import { createRenderer } from './template.ts'

const ADDRESS = 'http://127.0.0.1:4000/v1/events'
const NOW = Date.UTC(2026, 10, 28, 13, 0, 0, 7)
const mix = createMix(200)

interface Sent {
  id: string
  time: string
  sessionId: string
  anonymousId: string
  userId?: string
}

const bodyOf = (request: string): string => request.slice(request.indexOf('\r\n\r\n') + 4)

const createRendering = (batch: number) => {
  const renderer = createRenderer(mix, batch, envelopeOf({ protocol: 'ndjson', address: ADDRESS, writeKey: 'k' }))
  const target = Buffer.alloc(renderer.longest)
  const render = (request: number, nowMs: number): string =>
    target.toString('latin1', 0, renderer.render(request, nowMs, target))
  const events = (request: number, nowMs = NOW): Sent[] =>
    bodyOf(render(request, nowMs))
      .split('\n')
      .map((line) => JSON.parse(line))
  return { render, events, bytesPerEvent: renderer.bytesPerEvent }
}

it('renders requests whose events have an id of their number and the time at which they happened', () => {
  const { events } = createRendering(20)
  fc.assert(
    fc.property(fc.nat(20_000_000), fc.integer({ min: NOW, max: NOW + 86_400_000 }), (request, nowMs) => {
      const sent = events(request, nowMs)
      expect(sent.map(({ id }) => Number.parseInt(id.slice(28), 16))).toEqual(
        Array.from({ length: 20 }, (_, i) => request * 20 + i),
      )
      for (const { id, time } of sent) {
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7be7-8[0-9a-f]{3}-[0-9a-f]{12}$/)
        expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(Date.parse(time))
        expect(nowMs - Date.parse(time)).toBeGreaterThanOrEqual(0)
        expect(new Date(time).toISOString()).toBe(time)
      }
    }),
    { numRuns: 50 },
  )
  expect(NUMBER_SQL).toEqual({
    number: "('0x' || substr(id, 29, 8))::UINTEGER",
    isOurs: "id LIKE '________-____-7be7-8%'",
  })
})

it('renders the same bytes for the same request, as a client that tries again', () => {
  const { render } = createRendering(20)
  const first = render(1_003, NOW)
  render(7, NOW + 1)
  expect(render(1_003, NOW)).toBe(first)
})

it('gives a new round of the mix other sessions and people, and a customer is its visitor', () => {
  const { events } = createRendering(20)
  const rounds = [3, 13, 23].map((request) => events(request))
  for (let i = 0; i < 20; i++) {
    expect(new Set(rounds.map((round) => round[i].sessionId)).size).toBe(3)
    expect(new Set(rounds.map((round) => round[i].anonymousId)).size).toBe(3)
  }
  for (const { anonymousId, userId } of rounds.flat()) {
    expect(anonymousId).toMatch(/^visitor-\d{8}$/)
    if (userId !== undefined) expect(userId.slice('customer-'.length)).toBe(anonymousId.slice('visitor-'.length))
  }
})

it('sends the events of the shop with the length of the body, in each protocol', () => {
  const { render, bytesPerEvent } = createRendering(20)
  expect(Math.abs(bytesPerEvent - 290)).toBeLessThan(15)
  const request = render(0, NOW)
  expect(request).toContain(`content-length: ${bodyOf(request).length}\r\n`)
  for (const protocol of ['graphql', 'graphql-batch'] as const) {
    const renderer = createRenderer(mix, 20, envelopeOf({ protocol, address: ADDRESS, writeKey: 'k' }))
    const target = Buffer.alloc(renderer.longest)
    const { query, variables } = JSON.parse(bodyOf(target.toString('latin1', 0, renderer.render(1, NOW, target))))
    expect(query).toContain(protocol === 'graphql' ? 'trackEvents' : 'trackBatch')
    expect(variables.e).toHaveLength(20)
  }
  const { head } = envelopeOf({ protocol: 'grpc', address: '127.0.0.1:4001', writeKey: 'k' })
  expect([...head(300)].map((c) => c.charCodeAt(0))).toEqual([0x12, 0xac, 0x02])
})

it('spaces requests evenly, and closer in a burst', () => {
  const dueOf = (options: Parameters<typeof createSchedule>[0]): number[] => {
    const next = createSchedule(options)
    const times: number[] = []
    for (let due = next(); due !== undefined; due = next()) times.push(due)
    return times
  }
  expect(dueOf({ rate: 400, seconds: 1, batch: 100 })).toEqual([250, 500, 750, 1_000])
  const bursts = [{ atSeconds: 1, seconds: 1, rate: 1_000 }]
  const due = dueOf({ rate: 100, seconds: 3, batch: 100, bursts })
  expect(due.map(Math.round)).toEqual([1_000, ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((i) => 1_000 + 100 * i), 3_000])
})

it('keeps a set of numbers in bits', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50_000)), fc.array(fc.nat(50_000)), (some, others) => {
      const [one, other] = [new Bits(), new Bits()]
      for (const number of some) one.add(number)
      for (const number of others) other.add(number)
      expect(one.count()).toBe(new Set(some).size)
      expect(one.countNotIn(other)).toBe(new Set(some).difference(new Set(others)).size)
      expect(some.every((number) => one.has(number) && !one.add(number))).toBe(true)
      one.addAll(new Bits(other.bytes()))
      expect(one.count()).toBe(new Set([...some, ...others]).size)
    }),
  )
})

it('reads answers piece by piece, with a length and in chunks', () => {
  const body = '{"accepted":2,"shed":0}'
  const whole = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  const chunked = `HTTP/1.1 429 Too Many\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${body.slice(0, 5)}\r\n12\r\n${body.slice(5)}\r\n0\r\n\r\n`
  for (const [text, status] of [
    [whole, 200],
    [chunked, 429],
  ] as const) {
    for (let length = 0; length < text.length; length++) expect(readHttpAnswer(text.slice(0, length))).toBeNull()
    expect(readHttpAnswer(text)).toEqual({ status, body })
  }
})

it('takes from a receipt which events are acknowledged', () => {
  expect(readReceipt('{"accepted":3,"shed":0,"rejected":0,"verdicts":[]}', 3)).toEqual({ refused: [] })
  const some = '{"accepted":2,"shed":0,"rejected":1,"verdicts":[{"index":1,"code":"OVERLOADED"}]}'
  expect(readReceipt(some, 3)).toEqual({ refused: [1], code: 'OVERLOADED' })
  expect(readReceipt(`{"data":{"trackBatch":${some}}}`, 3)).toEqual({ refused: [1], code: 'OVERLOADED' })
  const refused = '{"data":null,"errors":[{"message":"no","extensions":{"code":"RATE_LIMITED"}}]}'
  expect(readReceipt(refused, 3)).toEqual({ refused: 'all', code: 'RATE_LIMITED' })
  expect(readReceipt('{"error":{"code":"TOO_LARGE"}}', 3)).toEqual({ refused: 'all', code: 'TOO_LARGE' })
  expect(readReceipt('<html>', 3)).toEqual({ refused: 'all', code: 'UNREADABLE' })
})
