import type { ClientEvent } from '#schema/event.ts'
import { createShop } from '#scripts/demo/shop.ts'
import { BLANK_ID } from './event-id.ts'
import { BLANK_TIME } from './event-time.ts'

/** One event of the demo's shop, to be filled in: id, time, session and person are blanks of their length. */
export interface BlankEvent {
  text: string
  /** From happening to sending. */
  delayMs: number
  /** Which visit of the mix: events of one have the same. */
  session: number
  /** Number of the visitor in the shop. */
  visitor: number
}

/** Written over by the number of the visitor, of eight digits. */
export const BLANK_NUMBER = '00000000'
const BLANK_VISITOR = `visitor-${BLANK_NUMBER}`
const BLANK_CUSTOMER = `customer-${BLANK_NUMBER}`

const SHOP_RATE = 2_000
const STEP_MS = 10

/**
 * As a server sends it that speaks for the shop's visitors: with their address, without their browser and language.
 * That makes 290 bytes.
 */
const blank = (event: ClientEvent): string => {
  const { sessionId, userId, properties } = event
  return JSON.stringify({
    id: BLANK_ID,
    name: event.name,
    time: BLANK_TIME,
    sessionId,
    anonymousId: BLANK_VISITOR,
    ...(userId !== undefined && { userId: BLANK_CUSTOMER }),
    context: { ip: event.context?.ip },
    ...(properties && { properties }),
  })
}

/** So many events in the order and with the delays of the demo; the same each time. */
export const createMix = (count: number): BlankEvent[] => {
  const startMs = Date.UTC(2026, 0, 1)
  const shop = createShop({ seed: 7, eventsPerSecond: SHOP_RATE, startMs })
  const sessions = new Map<string, number>()
  const ids = new Set<string>()
  const mix: BlankEvent[] = []
  for (let now = startMs + STEP_MS; mix.length < count; now += STEP_MS) {
    for (const event of shop.until(now)) {
      // What the shop sends again is left out: the generator sends whole requests again.
      if (ids.has(event.id!)) continue
      ids.add(event.id!)
      const session = sessions.get(event.sessionId!) ?? sessions.size
      sessions.set(event.sessionId!, session)
      const visitor = Number(event.anonymousId!.slice('visitor-'.length))
      mix.push({ text: blank(event), delayMs: now - Date.parse(event.time!), session, visitor })
    }
  }
  return mix.slice(0, count)
}
