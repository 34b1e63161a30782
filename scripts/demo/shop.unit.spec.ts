import { expect, test } from 'vitest'
import type { ClientEvent } from '#schema/event.ts'
import { uuidV7Time } from '#schema/time.ts'
import { createShop, SHOP_DAY_MS } from './shop.ts'

const START = Date.UTC(2026, 0, 1)
const MINUTE = 60_000

const day = (() => {
  const events: { sentBefore: number; event: ClientEvent }[] = []
  const shop = createShop({ seed: 7, eventsPerSecond: 40, startMs: START })
  for (let end = START + 1_000; end <= START + SHOP_DAY_MS; end += 1_000) {
    for (const event of shop.until(end)) events.push({ sentBefore: end, event })
  }
  return events
})()
const firsts = [...new Map(day.toReversed().map((sent) => [sent.event, sent])).values()].reverse()
const behind = ({ sentBefore, event }: (typeof day)[number]) => sentBefore - Date.parse(event.time!)
const named = (name: string) => firsts.filter(({ event }) => event.name === name)

test('the same seed sends the same events, another seed others', () => {
  const story = (seed: number) =>
    JSON.stringify([...createShop({ seed, eventsPerSecond: 40, startMs: START }).until(START + MINUTE)])
  expect(story(1)).toBe(story(1))
  expect(story(1)).not.toBe(story(2))
})

test('in how many steps the time goes on changes nothing', () => {
  const shop = createShop({ seed: 7, eventsPerSecond: 40, startMs: START })
  expect([...shop.until(START + SHOP_DAY_MS)]).toEqual(day.map(({ event }) => event))
})

test('over a day of the shop the rate is the one asked for', () => {
  const rate = day.length / (SHOP_DAY_MS / 1_000)
  expect(rate).toBeGreaterThan(40 * 0.95)
  expect(rate).toBeLessThan(40 * 1.05)
})

test('the day has busy and quiet hours, and events from its first second on', () => {
  const between = (from: number, to: number) =>
    day.filter(({ sentBefore }) => sentBefore > START + from * SHOP_DAY_MS && sentBefore <= START + to * SHOP_DAY_MS)
  expect(between(0.2, 0.35).length).toBeGreaterThan(2 * between(0.7, 0.85).length)
  expect(between(0, 1 / 120).length).toBeGreaterThan(100)
})

test('visits have pages, clicks, signs of life and orders, all of one visitor', () => {
  for (const name of ['page_view', 'click', 'ping', 'conversion']) expect(named(name).length).toBeGreaterThan(100)
  const visitors = new Map<string, Set<string>>()
  for (const { event } of firsts) {
    visitors.set(event.sessionId!, (visitors.get(event.sessionId!) ?? new Set()).add(event.anonymousId!))
  }
  expect([...visitors.values()].every((ids) => ids.size === 1)).toBe(true)
})

test('visitors come back', () => {
  const sessions = new Set(firsts.map(({ event }) => event.sessionId))
  const visitors = new Set(firsts.map(({ event }) => event.anonymousId))
  expect(visitors.size).toBeLessThan(sessions.size)
})

test('an order has an amount in EUR and follows a look at the checkout', () => {
  const checkouts = new Set(
    named('page_view').flatMap(({ event }) => (event.properties?.path === '/checkout' ? [event.sessionId] : [])),
  )
  for (const { event } of named('conversion')) {
    const { amount, currency, items } = event.properties as { amount: number; currency: string; items: number }
    expect(amount).toBeGreaterThan(0)
    expect(amount).toBe(Math.round(amount * 100) / 100)
    expect([currency, items > 0]).toEqual(['EUR', true])
    const beganBefore = uuidV7Time(event.sessionId!)! < START
    expect(beganBefore || checkouts.has(event.sessionId)).toBe(true)
  }
})

test('most events arrive at once, some seconds to minutes late, a few beyond ten minutes', () => {
  const share = (from: number, to: number) =>
    firsts.filter((sent) => behind(sent) >= from && behind(sent) < to).length / firsts.length
  expect(share(0, 3_000)).toBeGreaterThan(0.95)
  expect(share(5_000, 5 * MINUTE)).toBeGreaterThan(0.01)
  expect(share(10 * MINUTE, 40 * MINUTE)).toBeGreaterThan(0.001)
  expect(share(10 * MINUTE, 40 * MINUTE)).toBeLessThan(0.006)
})

test('about one event in a hundred is sent again, the very same', () => {
  const again = day.length - firsts.length
  expect(again / firsts.length).toBeGreaterThan(0.005)
  expect(again / firsts.length).toBeLessThan(0.015)
  expect(new Set(day.map(({ event }) => event.id)).size).toBe(firsts.length)
})

test('ids tell the time of their event', () => {
  for (const { event } of firsts.slice(0, 100)) expect(uuidV7Time(event.id)).toBe(Date.parse(event.time!))
})
