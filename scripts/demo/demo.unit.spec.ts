import { expect, test } from 'vitest'
import type { ClientEvent } from '#schema/event.ts'
import type { Receipt } from '#scripts/lib/collector-answer.ts'
import { runDemo } from './demo.ts'

const MINUTE = 60_000

/** A shop with one event a second, named by its second. */
const secondsShop = () => {
  let second = 0
  return {
    *until(endMs: number): Generator<ClientEvent, void> {
      for (; second * 1_000 < endMs; second++) yield { id: String(second), name: 'ping' }
    },
  }
}

const run = async (steps: number[], onSend: (batch: string[], advance: (ms: number) => void) => void = () => {}) => {
  const stop = new AbortController()
  const sent: string[] = []
  let time = 0
  const client = {
    send: async (ndjson: string): Promise<Receipt> => {
      const ids = ndjson.split('\n').map((line) => JSON.parse(line).id as string)
      onSend(ids, (ms) => {
        time += ms
      })
      sent.push(...ids)
      return { accepted: ids.length, shed: 0, rejected: 0, verdicts: [] }
    },
    retries: () => 0,
  }
  const sleep = async () => {
    time += steps.shift() ?? 0
    if (steps.length === 0) stop.abort()
  }
  const totals = await runDemo({ shop: secondsShop(), client, signal: stop.signal, now: () => time, sleep })
  return { sent: sent.map(Number), totals, stop }
}

test('events are sent as their time comes, each once', async () => {
  const { sent, totals } = await run([1_000, 2_500, 1_000, 0])
  expect(sent).toEqual([0, 1, 2, 3, 4])
  expect(totals).toEqual({ sent: 5, accepted: 5, rejected: 0, shed: 0 })
})

test('after a long outage only the last minute is made up for', async () => {
  let first = true
  const { sent } = await run([1, 0, 0], (_, advance) => {
    if (first) advance(10 * MINUTE)
    first = false
  })
  expect(sent[0]).toBe(0)
  expect(sent[1]).toBe(9 * 60 + 1)
  expect(sent).toHaveLength(61)
})

test('a collector that refuses for good ends the demo with its reason', async () => {
  const refuse = () => {
    throw new Error('401 UNAUTHENTICATED')
  }
  await expect(run([1_000, 1_000, 0], refuse)).rejects.toThrow('401 UNAUTHENTICATED')
})
