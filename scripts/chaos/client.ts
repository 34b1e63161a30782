import { createRandom, type Random, uuidV7 } from '#scripts/demo/random.ts'
import type { Sent } from './book.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** How a client's clock differs from the right one, event by event, milliseconds. */
type Clock = (random: Random) => number

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

/** Where the time stands: in the event, in its id, or nowhere, which means when it was received. */
type Stamp = 'time' | 'id' | 'none'

interface Kind {
  clock: Clock
  stamp: Stamp
}

const RIGHT: Kind = { clock: CLOCKS.right, stamp: 'time' }
/** Mostly right ones, as they carry the watermark. */
const KINDS: readonly Kind[] = [
  RIGHT,
  RIGHT,
  RIGHT,
  { clock: CLOCKS.right, stamp: 'id' },
  { clock: CLOCKS.right, stamp: 'none' },
  ...Object.values(CLOCKS).map((clock): Kind => ({ clock, stamp: 'time' })),
]
export const CLIENTS = KINDS.length

const PATHS = ['/', '/cart', '/products', '/search', '/about']
const STATUSES = [200, 200, 200, 304, 404]
const FUTURE_LIMIT = DAY

export interface SimulatedClient {
  /** The next events that happened, with the JSON that is sent. */
  next(count: number, nowMs: number): { event: Sent; json: string }[]
}

/** A browser or server that tracks: sessions come and go, the clock is what it is. The same seed makes the same events. */
export const createClient = (seed: number, number: number): SimulatedClient => {
  const random = createRandom(seed, 1_000 + number)
  const { clock, stamp } = KINDS[number % KINDS.length]
  let events = 0
  let session = 0

  const event = (nowMs: number): { event: Sent; json: string } => {
    if (random.chance(0.05)) session++
    const clockMs = nowMs + clock(random)
    const user = `u${number}-${session % 5}`
    // Without a session the event lies where its user does.
    const sessionId = random.chance(0.9) ? `s${number}-${session}` : undefined
    const id = stamp === 'id' ? uuidV7(random, clockMs) : `c${number}-${events}`
    events++
    const sent: Sent = {
      id,
      key: sessionId ?? user,
      name: random.chance(0.1) ? 'conversion' : 'page_view',
      timeMs: stamp === 'none' ? null : clockMs,
      user,
      path: random.pick(PATHS),
      status: random.pick(STATUSES),
      bytes: random.whole(100, 50_000),
      amount: random.whole(1, 20_000) / 100,
      refusable: clockMs > nowMs + FUTURE_LIMIT,
      fate: 'OPEN',
    }
    const { name, path, status, bytes, amount } = sent
    const properties = name === 'conversion' ? { amount, currency: 'EUR' } : { path, method: 'GET', status, bytes }
    const time = stamp === 'time' ? new Date(clockMs).toISOString() : undefined
    return { event: sent, json: JSON.stringify({ id, name, time, sessionId, userId: user, properties }) }
  }

  return { next: (count, nowMs) => Array.from({ length: count }, () => event(nowMs)) }
}
