import { setTimeout as delay } from 'node:timers/promises'
import { createRandom, type Random } from '#scripts/demo/random.ts'
import { backoffMs, type Receipt } from '#scripts/lib/collector-answer.ts'
import type { Book, Sent } from './book.ts'
import { CLIENTS, createClient, type SimulatedClient } from './client.ts'
import { type Gateway, post, WAYS } from './ways.ts'

export interface LoadOptions {
  seed: number
  /** Events a second, all clients together. */
  rate: number
  gateways: readonly Gateway[]
  writeKey: string
  book: Book
}

export interface LoadCounts {
  batches: number
  /** Batches that were sent again, each time. */
  retries: number
  /** Answers that had come and were thrown away, as a client does that dies or loses its network. */
  answersDropped: number
  /** What the collector had to say where it should not have: verdicts that were not expected, by reason. */
  surprises: Record<string, number>
}

export interface Load {
  counts(): Readonly<LoadCounts>
  /** No new events; resolves with true when all that was sent has a verdict, with false after `deadlineMs`. */
  end(deadlineMs: number): Promise<boolean>
  /** Ends at once. */
  abort(): void
}

interface Item {
  event: Sent
  json: string
}

/** Shorter than the gateway's own deadline for a frame: clients give up while their events are still on the way. */
const REQUEST_MS = { least: 800, most: 12_000 }
const IN_FLIGHT = 4
const BATCH = { least: 1, most: 60, mean: 14.4 }
const DROP_ANSWER = 0.06
/** Of a retry: a client that never comes back. */
const ABANDON = 0.01
/** A client that sends what was confirmed already together with what was not. */
const SEND_ALL_AGAIN = 0.3
const LONGEST_WAIT_MS = 2_000
/** Of a retry: a phone that comes out of its tunnel later, when another owner may have the partition. */
const COMES_LATER = 0.2
const AWAY_MS = { least: 2_000, most: 10_000 }

/** Clients that send over HTTP and GraphQL and try again until each of their events has a verdict. */
export const startLoad = ({ seed, rate, gateways, writeKey, book }: LoadOptions): Load => {
  const ending = new AbortController()
  const aborted = new AbortController()
  const counts: LoadCounts = { batches: 0, retries: 0, answersDropped: 0, surprises: {} }
  const underWay = new Set<Promise<void>>()

  const surprise = (what: string): void => {
    counts.surprises[what] = (counts.surprises[what] ?? 0) + 1
  }

  const settleOne = (event: Sent, verdict: Receipt['verdicts'][number] | undefined): void => {
    if (verdict?.retryable) return
    if (!verdict) {
      event.fate = 'ACCEPTED'
      if (event.refusable) surprise('a time that is more than a day ahead was accepted')
      return
    }
    // What was confirmed once stays confirmed, whatever a repetition is told.
    if (event.fate !== 'ACCEPTED') event.fate = 'REJECTED'
    if (!event.refusable || verdict.code !== 'TIME_OUT_OF_RANGE') surprise(`${verdict.code}: ${verdict.message}`)
  }

  const settle = (items: readonly Item[], receipt: Receipt): void => {
    if (receipt.accepted + receipt.verdicts.length !== items.length) surprise('a receipt that is not of all events')
    const verdicts = new Map(receipt.verdicts.map((verdict) => [verdict.index, verdict]))
    for (const [index, { event }] of items.entries()) settleOne(event, verdicts.get(index))
  }

  /** One try; the events whose fate is known then have it. */
  const attempt = async (items: readonly Item[], random: Random): Promise<number> => {
    const timeout = AbortSignal.timeout(random.whole(REQUEST_MS.least, REQUEST_MS.most))
    const batch = { source: items[0].event.source, events: items.map(({ json }) => json) }
    const signal = AbortSignal.any([timeout, aborted.signal])
    const answer = await post(random.pick(gateways), random.pick(WAYS), writeKey, batch, signal)
    if (random.chance(DROP_ANSWER)) {
      counts.answersDropped++
      return 0
    }
    if (answer.kind === 'refused') surprise(`refused: ${answer.reason}`)
    if (answer.kind === 'refused') for (const { event } of items) event.fate = 'REJECTED'
    else if (answer.receipt) settle(items, answer.receipt)
    return answer.kind === 'again' ? answer.retryAfterMs : 0
  }

  const deliver = async (items: readonly Item[], random: Random): Promise<void> => {
    let open = items
    for (let tries = 0; ; tries++) {
      const waitMs = await attempt(open, random)
      const unsettled = items.filter(({ event }) => event.fate === 'OPEN')
      if (unsettled.length === 0 || aborted.signal.aborted) return
      if (random.chance(ABANDON)) {
        for (const { event } of unsettled) event.fate = 'ABANDONED'
        return
      }
      counts.retries++
      open = random.chance(SEND_ALL_AGAIN) ? items : unsettled
      const soonMs = Math.min(LONGEST_WAIT_MS, Math.max(waitMs, backoffMs(tries, random.next())))
      const pauseMs = random.chance(COMES_LATER) ? random.whole(AWAY_MS.least, AWAY_MS.most) : soonMs
      await delay(pauseMs, undefined, { signal: aborted.signal }).catch(() => {})
    }
  }

  const runClient = async (client: SimulatedClient, random: Random): Promise<void> => {
    const meanGapMs = (1_000 * BATCH.mean * CLIENTS) / rate
    const own = new Set<Promise<void>>()
    while (!ending.signal.aborted) {
      await delay(random.exponential(meanGapMs), undefined, { signal: ending.signal }).catch(() => {})
      if (ending.signal.aborted) return
      while (own.size >= IN_FLIGHT) await Promise.race(own)
      const items = client.next(Math.round(random.logUniform(BATCH.least, BATCH.most)), Date.now())
      book.note(items.map(({ event }) => event))
      counts.batches++
      const delivery: Promise<void> = deliver(items, random).finally(() => {
        own.delete(delivery)
        underWay.delete(delivery)
      })
      own.add(delivery)
      underWay.add(delivery)
    }
  }

  const clients = Array.from({ length: CLIENTS }, (_, number) =>
    runClient(createClient(seed, number), createRandom(seed, 2_000 + number)),
  )
  const abort = (): void => {
    ending.abort()
    aborted.abort()
  }
  return {
    counts: () => counts,
    abort,
    end: async (deadlineMs) => {
      ending.abort()
      const done = Promise.all(clients).then(() => Promise.all(underWay))
      const timer = setTimeout(abort, deadlineMs)
      await done
      clearTimeout(timer)
      return !aborted.signal.aborted
    },
  }
}
