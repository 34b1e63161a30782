import { build, type Histogram } from 'hdr-histogram-js'
import { Bits } from './bits.ts'
import type { Link } from './link.ts'
import type { LoadReceipt } from './receipt.ts'
import type { Renderer } from './template.ts'

export const LONGEST_MS = 3_600_000

/** Of latencies in microseconds, three digits of each. */
export const createHistogram = (): Histogram =>
  build({ lowestDiscernibleValue: 1, highestTrackableValue: LONGEST_MS * 1_000, numberOfSignificantValueDigits: 3 })

/** One second of a load; events, and microseconds from when a request was due to its answer. */
export interface LoadSecond {
  second: number
  sent: number
  accepted: number
  refused: number
  /** Due and not sent, as all connections wait for answers. */
  waiting: number
  p50Us: number
  p99Us: number
  maxUs: number
}

export interface LoadFigures {
  /** Events. `repeated` ones are in all others too: what was sent again, as a client that got no answer does. */
  sent: number
  repeated: number
  accepted: number
  /** By code. */
  refused: Record<string, number>
  /** Sent without an answer: nobody knows. */
  unanswered: number
  /** Due and never sent. */
  unsent: number
  /** Acknowledged before the last request was due, by second of that time. */
  acceptedPerSecond: number
  /** Number of the first request that no run has used yet. */
  nextRequest: number
}

export interface GeneratorOptions {
  batch: number
  renderer: Renderer
  /** See createSchedule. */
  nextDue: () => number | undefined
  /** Number of the first request. */
  firstRequest: number
  /** Longest wait for answers at the end. */
  graceMs: number
  /** Latencies of requests that are due before that are in no histogram: a warm-up. */
  measureFromMs: number
  onSecond(second: LoadSecond): void
}

/** One of so many requests is an earlier one that is sent again, with the ids and times of the first time. */
const AGAIN_EVERY = 100
const AGAIN_AFTER = 60

/** What is sent when: of an earlier request its number and time. */
const createRequests = (first: number) => {
  const sentAt = new Float64Array(AGAIN_EVERY)
  let next = first
  return {
    next: (nowMs: number) => {
      const number = next++
      sentAt[number % AGAIN_EVERY] = nowMs
      const earlier = number - AGAIN_AFTER
      const isAgain = number % AGAIN_EVERY === AGAIN_EVERY - 1 && earlier >= first
      return isAgain
        ? { number: earlier, timeMs: sentAt[earlier % AGAIN_EVERY], isAgain }
        : { number, timeMs: nowMs, isAgain }
    },
    used: () => next,
  }
}

const percentilesOf = (histogram: Histogram) => ({
  p50Us: histogram.getValueAtPercentile(50),
  p99Us: histogram.getValueAtPercentile(99),
  maxUs: histogram.maxValue,
})

/** Counts of all the time and of the second under way. */
const createCounts = (batch: number, onSecond: (second: LoadSecond) => void) => {
  const histogram = createHistogram()
  const ofSecond = createHistogram()
  const acknowledged = new Bits()
  const refused: Record<string, number> = {}
  const all = { sent: 0, repeated: 0, accepted: 0, unanswered: 0 }
  let now = { sent: 0, accepted: 0, refused: 0 }
  let second = 0

  const take = (number: number, places: readonly number[]): void => {
    const base = number * batch
    if (places.length === 0) for (let i = 0; i < batch; i++) acknowledged.add(base + i)
    else for (let i = 0; i < batch; i++) if (!places.includes(i)) acknowledged.add(base + i)
    all.accepted += batch - places.length
    now.accepted += batch - places.length
  }
  const refuse = (count: number, code = 'UNKNOWN'): void => {
    refused[code] = (refused[code] ?? 0) + count
    now.refused += count
  }
  return {
    all,
    refused,
    histogram,
    acknowledged,
    sent: (isAgain: boolean): void => {
      all.sent += batch
      now.sent += batch
      if (isAgain) all.repeated += batch
    },
    answered: (number: number, receipt: LoadReceipt | null, latencyUs: number, isMeasured: boolean): void => {
      if (isMeasured) histogram.recordValue(latencyUs)
      ofSecond.recordValue(latencyUs)
      if (receipt === null) all.unanswered += batch
      else if (receipt.refused === 'all') refuse(batch, receipt.code)
      else {
        take(number, receipt.refused)
        if (receipt.refused.length > 0) refuse(receipt.refused.length, receipt.code)
      }
    },
    endSecond: (waiting: number): void => {
      onSecond({ second: second++, ...now, waiting: waiting * batch, ...percentilesOf(ofSecond) })
      ofSecond.reset()
      now = { sent: 0, accepted: 0, refused: 0 }
    },
  }
}

/** Requests that are due, oldest first, milliseconds from the begin. */
const createQueue = () => {
  let times: number[] = []
  let first = 0
  return {
    add: (due: number): void => void times.push(due),
    take: (): number | undefined => {
      const due = times[first++]
      if (first > 4_096 && first * 2 > times.length) {
        times = times.slice(first)
        first = 0
      }
      return due
    },
    size: (): number => times.length - first,
  }
}

/**
 * Sends requests when they are due over connections that may all be waiting: then they queue here, and the time that they
 * queue is part of their latency. So a server that stalls cannot hide it.
 */
export const createGenerator = (options: GeneratorOptions) => {
  const { batch, renderer, nextDue, firstRequest, graceMs, measureFromMs, onSecond } = options
  const counts = createCounts(batch, onSecond)
  const requests = createRequests(firstRequest)
  const queue = createQueue()
  const idle: Link[] = []
  let startedAt = 0
  let flying = 0
  let isOver = true
  let due = nextDue()
  let landed: () => void = () => undefined

  const elapsed = (): number => performance.now() - startedAt
  const send = (link: Link, dueAt: number): void => {
    const { number, timeMs, isAgain } = requests.next(Date.now())
    const length = renderer.render(number, timeMs, link.buffer)
    flying++
    counts.sent(isAgain)
    link.send(length, batch, (receipt) => {
      flying--
      counts.answered(number, receipt, Math.max(1, Math.round(1_000 * (elapsed() - dueAt))), dueAt >= measureFromMs)
      if (link.isOpen()) free(link)
      if (isOver && flying === 0) landed()
    })
  }
  /** A connection can be used: by what is due, or by what comes. */
  const free = (link: Link): void => {
    const dueAt = isOver || queue.size() === 0 ? undefined : queue.take()
    if (dueAt === undefined) idle.push(link)
    else send(link, dueAt)
  }
  const dispatch = (): void => {
    for (; due !== undefined && due <= elapsed(); due = nextDue()) queue.add(due)
    while (queue.size() > 0 && idle.length > 0) {
      // In turn: behind one address connections belong to several gateways.
      const link = idle.shift()!
      if (link.isOpen()) send(link, queue.take()!)
    }
  }
  const untilAllDue = (): Promise<void> =>
    new Promise((resolve) => {
      const step = (): void => {
        dispatch()
        if (due === undefined) resolve()
        else setTimeout(step, Math.max(0, due - elapsed()))
      }
      step()
    })
  const untilLanded = async (): Promise<void> => {
    if (flying === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    landed = resolve
    const timer = setTimeout(resolve, graceMs)
    await promise
    clearTimeout(timer)
  }

  return {
    free,
    async run(): Promise<LoadFigures & { histogram: Histogram; acknowledged: Bits }> {
      startedAt = performance.now()
      isOver = false
      dispatch()
      const seconds = setInterval(() => counts.endSecond(queue.size()), 1_000)
      await untilAllDue()
      isOver = true
      const accepted = counts.all.accepted
      const lasted = elapsed() / 1_000
      await untilLanded()
      clearInterval(seconds)
      counts.endSecond(queue.size())
      return {
        ...counts.all,
        refused: counts.refused,
        unanswered: counts.all.unanswered + flying * batch,
        unsent: queue.size() * batch,
        acceptedPerSecond: accepted / lasted,
        nextRequest: requests.used(),
        histogram: counts.histogram,
        acknowledged: counts.acknowledged,
      }
    },
  }
}
