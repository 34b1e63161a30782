import type { ClientEvent } from '#schema/event.ts'
import { formatTime } from '#schema/time.ts'
import { createAgenda } from './agenda.ts'
import { type Action, journey } from './journey.ts'
import { createRandom, type Random, uuidV7 } from './random.ts'
import { type Visitor, visitor } from './visitors.ts'

export interface ShopOptions {
  seed: number
  /** Mean over a day of the shop, retries included. */
  eventsPerSecond: number
  /** When the first event may be sent, milliseconds since 1970. */
  startMs: number
}

/** Measured: events of a visit, retries included. */
const EVENTS_PER_VISIT = 5.69
/** Visits under way when the shop opens began up to so long ago. */
const WARM_UP_MS = 5 * 60_000
/** A day with its quiet and busy hours, squeezed so that one can watch it. */
export const SHOP_DAY_MS = 20 * 60_000
const VISITORS_PER_RATE = 250

interface Visit {
  sessionId: string
  visitor: Visitor
  actions: Iterator<Action, void>
}

type Entry =
  | { kind: 'arrival' }
  | { kind: 'action'; visit: Visit; action: Action }
  | { kind: 'retry'; event: ClientEvent }

/** Made-up traffic of a shop. The same options give the same events. */
export const createShop = ({ seed, eventsPerSecond, startMs }: ShopOptions) => {
  const random = createRandom(seed)
  const agenda = createAgenda<Entry>()
  const visitors = Math.max(20, Math.round(eventsPerSecond * VISITORS_PER_RATE))
  const meanGapMs = (1_000 * EVENTS_PER_VISIT) / eventsPerSecond
  agenda.add(startMs - WARM_UP_MS, { kind: 'arrival' })

  const continueVisit = (at: number, visit: Visit): void => {
    const { value: action, done } = visit.actions.next()
    if (!done) agenda.add(at + action.afterMs, { kind: 'action', visit, action })
  }
  const arrive = (at: number): void => {
    agenda.add(at + random.exponential(meanGapMs / wave(at)), { kind: 'arrival' })
    const actions = journey(random)
    continueVisit(at, { sessionId: uuidV7(random, at), visitor: visitor(seed, random.whole(1, visitors)), actions })
  }
  /** An app that got no answer in time sends the event again. */
  const perhapsAgain = (at: number, event: ClientEvent): void => {
    if (random.chance(0.01)) agenda.add(at + random.logUniform(1_000, 20_000), { kind: 'retry', event })
  }

  /** Events to send before `endMs`, in this order; a further call goes on from there. */
  function* until(endMs: number): Generator<ClientEvent, void> {
    for (let entry = agenda.takeBefore(endMs); entry; entry = agenda.takeBefore(endMs)) {
      const { at, what } = entry
      if (what.kind === 'arrival') arrive(at)
      else if (what.kind === 'retry') yield what.event
      else {
        continueVisit(at, what.visit)
        if (at < startMs) continue
        const event = toEvent(random, at, what.visit, what.action)
        perhapsAgain(at, event)
        yield event
      }
    }
  }
  return { until }
}

export type Shop = ReturnType<typeof createShop>

/** Share of the mean at this time: from 0.4 to 1.6 over a day. */
const wave = (atMs: number): number => 1 + 0.6 * Math.sin((2 * Math.PI * atMs) / SHOP_DAY_MS)

const toEvent = (
  random: Random,
  at: number,
  { sessionId, visitor }: Visit,
  { name, properties }: Action,
): ClientEvent => {
  const timeMs = at - delayMs(random)
  const id = uuidV7(random, timeMs)
  return { id, name, time: formatTime(timeMs), sessionId, ...visitor, ...(properties && { properties }) }
}

/** From happening to sending: at once for most, minutes for a phone in a tunnel, beyond any horizon for a few. */
const delayMs = (random: Random): number => {
  const place = random.next()
  if (place < 0.003) return random.logUniform(11 * 60_000, 30 * 60_000)
  if (place < 0.03) return random.logUniform(5_000, 4 * 60_000)
  return random.logUniform(20, 1_500)
}
