import { createRandom, type Random, uuidV7 } from '#scripts/demo/random.ts'
import type { Sent } from './book.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How a client's clock differs from the right one, event by event; `elapsed`: since its first event. Milliseconds. */
type Clock = (random: Random, elapsed: number) => number

/** What there is of clocks. `days`: 1 to 72 hours; most of these events are too late, the first ones may not be. */
const CLOCKS: Record<string, Clock> = {
  right: (random) => random.whole(-20, 20),
  jittery: (random) => random.whole(-4 * SECOND, 4 * SECOND),
  minutesBehind: (random) => -random.whole(MINUTE, 8 * MINUTE),
  /** Around the lateness horizon. */
  atTheHorizon: (random) => -random.whole(9.5 * MINUTE, 11 * MINUTE),
  hoursBehind: (random) => -random.whole(HOUR, 3 * HOUR),
  daysBehind: (random) => -random.whole(2 * DAY, 3 * DAY),
  minutesAhead: (random) => random.whole(MINUTE, 40 * MINUTE),
  /** Now and then more than a day ahead: turned down. */
  farAhead: (random) => (random.chance(0.3) ? random.whole(25 * HOUR, 60 * HOUR) : random.whole(HOUR, 20 * HOUR)),
}

/** As in a log of days ago that is read ten times as fast as it was written. */
const PAST: Clock = (random, elapsed) => -3 * DAY + 9 * elapsed - random.whole(0, 20 * SECOND)

/** Where the time stands: in the event, in its id, or nowhere, which means when it was received. */
type Stamp = 'time' | 'id' | 'none'

interface Kind {
  clock: Clock
  stamp: Stamp
  source: string
}

const LIVE = 'live'
const RIGHT: Kind = { clock: CLOCKS.right, stamp: 'time', source: LIVE }
/** Mostly right ones, as they carry the watermark. */
const KINDS: readonly Kind[] = [
  RIGHT,
  RIGHT,
  RIGHT,
  { clock: CLOCKS.right, stamp: 'id', source: LIVE },
  { clock: CLOCKS.right, stamp: 'none', source: LIVE },
  ...Object.values(CLOCKS).map((clock): Kind => ({ clock, stamp: 'time', source: LIVE })),
  // What happened days ago, ten times as fast, beside all that: an import.
  { clock: PAST, stamp: 'time', source: 'chaos_import' },
]
export const CLIENTS = KINDS.length

const PATHS = ['/', '/cart', '/products', '/search', '/about']
const STATUSES = [200, 200, 200, 304, 404]
const FUTURE_LIMIT = DAY
/** Items of very different popularity: more of them than uniques know by name and lists of the heaviest keep. */
const ITEMS = 10_000_000
const BIG = 2 ** 52

export interface SimulatedClient {
  /** The next events that happened, with the JSON that is sent. */
  next(count: number, nowMs: number): { event: Sent; json: string }[]
}

/** A browser or server that tracks: sessions come and go, the clock is what it is. The same seed makes the same events. */
export const createClient = (seed: number, number: number): SimulatedClient => {
  const random = createRandom(seed, 1_000 + number)
  const { clock, stamp, source } = KINDS[number % KINDS.length]
  let events = 0
  let session = 0
  let firstMs: number | undefined

  /** Most events go on with the newest session; some belong to one that had seemed to be over. */
  const sessionNow = (): number => {
    if (random.chance(0.05)) session++
    return random.chance(0.1) ? Math.max(0, session - random.whole(1, 5)) : session
  }

  const contentOf = (name: string): Sent['properties'] => {
    // Sums of these leave what a double holds.
    if (name === 'conversion')
      return { amount: random.whole(1, 20_000) / 100, currency: 'EUR', big: random.whole(1, BIG) }
    const [path, status] = [random.pick(PATHS), random.pick(STATUSES)]
    const item = `i${Math.floor(random.logUniform(1, ITEMS))}`
    return { path, method: 'GET', status, bytes: random.whole(100, 50_000), item }
  }

  const event = (nowMs: number): { event: Sent; json: string } => {
    firstMs ??= nowMs
    const own = sessionNow()
    const clockMs = nowMs + clock(random, nowMs - firstMs)
    const user = `u${number}-${own % 5}`
    // Without a session the event lies where its user does.
    const sessionId = random.chance(0.9) ? `s${number}-${own}` : undefined
    const id = stamp === 'id' ? uuidV7(random, clockMs) : `c${number}-${events}`
    events++
    const name = random.chance(0.1) ? 'conversion' : 'page_view'
    const properties = contentOf(name)
    const time = stamp === 'time' ? new Date(clockMs).toISOString() : undefined
    const sent: Sent = {
      id,
      source,
      key: sessionId ?? user,
      name,
      timeMs: stamp === 'none' ? null : clockMs,
      user,
      properties,
      refusable: clockMs > nowMs + FUTURE_LIMIT,
      fate: 'OPEN',
    }
    return { event: sent, json: JSON.stringify({ id, name, time, sessionId, userId: user, properties }) }
  }

  return { next: (count, nowMs) => Array.from({ length: count }, () => event(nowMs)) }
}
