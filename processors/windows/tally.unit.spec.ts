import { expect, test } from 'vitest'
import type { Received } from '#schema/ledger.ts'
import { at, FoldHarness, metric } from './fold-harness.ts'

const minute = (seconds: number): number => at(seconds) / 60_000
const slot = (tenant: string, seconds: number, accepted: number): Received => ({
  tenant,
  minute: minute(seconds),
  accepted,
  rejected: 0,
  shed: 0,
})
const line = (id: string, tenant: string, seconds: number): string =>
  JSON.stringify({
    tenant,
    source: 'live',
    receivedAt: at(seconds),
    time: at(seconds),
    key: 'k',
    weight: 1,
    schema: 0,
    e: { id, name: 'view' },
  })

test('what became of events is counted by tenant and by the minute in which each was received', () => {
  const log = new FoldHarness().define(metric())
  log.raw(61, [line('a', 'main', 59), line('b', 'main', 60), line('b', 'main', 60), line('c', 'other', 60)].join('\n'))
  expect(log.sealed.at(-1)?.minutes).toEqual([
    { tenant: 'main', minute: minute(0), C: 1, D: 0, L: 0, I: 0 },
    { tenant: 'main', minute: minute(60), C: 1, D: 1, L: 0, I: 0 },
    { tenant: 'other', minute: minute(60), C: 1, D: 0, L: 0, I: 0 },
  ])
  log.raw(61, line('c', 'other', 60))
  expect(log.sealed.at(-1)?.minutes).toEqual([{ tenant: 'other', minute: minute(60), C: 0, D: 1, L: 0, I: 0 }])
})

test('a frame without a line settles nothing, and what follows it goes on', () => {
  const log = new FoldHarness().define(metric())
  log.raw(1, '')
  expect(log.sealed.at(-1)).toMatchObject({ totals: {}, minutes: [], outcomes: {} })
  expect(log.frame(2, { id: 'a', time: 2 })).toEqual(['C'])
})

test('an unreadable line is theirs whose lines the headers count and nobody has read', () => {
  const log = new FoldHarness().define(metric())
  const received = [slot('main', 0, 1), slot('other', 0, 1), slot('other', 60, 2)]
  log.raw(61, [line('a', 'main', 1), '{broken', line('b', 'other', 2), line('c', 'other', 60)].join('\n'), received)
  expect(log.sealed.at(-1)?.minutes).toContainEqual({ tenant: 'other', minute: minute(60), C: 1, D: 0, L: 0, I: 1 })
  expect(log.sealed.at(-1)?.late).toEqual([
    { tenant: 'other', event: expect.objectContaining({ tenant: 'other', receivedAt: at(60), raw: '{broken' }) },
  ])
})

test('where an unreadable line may be of several tenants, none of them gets to see it', () => {
  const log = new FoldHarness().define(metric())
  log.raw(1, '{"tenant":"other","secret"\n{', [slot('main', 0, 1), slot('other', 0, 1)])
  const { late, minutes } = log.sealed.at(-1)!
  expect(minutes.map(({ tenant, I }) => [tenant, I])).toEqual([
    ['main', 1],
    ['other', 1],
  ])
  expect(late.map(({ tenant, event }) => [tenant, event.raw])).toEqual([
    ['main', undefined],
    ['other', undefined],
  ])
})

test('an unreadable line of which no header speaks is nobody’s', () => {
  const log = new FoldHarness().define(metric())
  log.raw(61, '{\n{', [slot('main', 0, 1)])
  expect(log.sealed.at(-1)?.minutes.map((one) => [one.tenant, one.minute, one.I])).toEqual([
    ['main', minute(0), 1],
    ['unknown', minute(60), 1],
  ])
})
