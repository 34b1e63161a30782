import { open } from 'node:fs/promises'
import { createEnricher } from '#gateway/collect/enrich.ts'
import { createLineWriter } from '#gateway/collect/line-writer.ts'
import { openGeoIp } from '#infra/geoip/geoip.ts'
import type { ClientEvent } from '#schema/event.ts'
import { createShop } from '#scripts/demo/shop.ts'

/** Requests of the shop: what came in so long. */
const REQUEST_MS = 20
/** One request of so many is sent again as a whole, as after an answer that got lost; the shop itself repeats 1 % of its events. */
const AGAIN_EVERY = 200
const SOURCES = ['live', 'live', 'live', 'live', 'live', 'live', 'shop-import', 'app-replay']

/** Of a visit, so that what is sent again has the source of the first time. */
const sourceOf = ({ sessionId = '' }: ClientEvent): string =>
  SOURCES[sessionId.charCodeAt(sessionId.length - 1) % SOURCES.length]

/** Writes EventLine JSON as the gateway does: enriched, without addresses. */
const createDoor = async () => {
  const enrich = createEnricher({ geoip: await openGeoIp() })('live', {}).value
  return (events: readonly ClientEvent[], receivedAt: number): string[] => {
    const writers = Map.groupBy(events, sourceOf)
    return [...writers].flatMap(([source, group]) => {
      const write = createLineWriter({ tenant: 'main', source, receivedAt })
      return group.map((sent) => {
        const event = { ...sent }
        const enrichment = enrich(event)
        return write(event, JSON.stringify(event), { time: Date.parse(event.time!), weight: 1, schema: 1, enrichment })
      })
    })
  }
}

export interface TrafficOptions {
  events: number
  /** Of the shop's own time, whose begin is `startMs` (milliseconds since 1970). */
  eventsPerSecond: number
  startMs: number
}

export interface Traffic {
  events: number
  bytesPerEvent: number
}

/** Writes so many events of the demo's shop to a file, a line each, in the order in which the log would have them. */
export const writeTraffic = async (
  path: string,
  { events, eventsPerSecond, startMs }: TrafficOptions,
  say: (line: string) => void,
): Promise<Traffic> => {
  const door = await createDoor()
  const shop = createShop({ seed: 1, eventsPerSecond, startMs })
  await using file = await open(path, 'w')
  let written = 0
  let bytes = 0
  let told = 0
  for (let request = 1; written < events; request++) {
    const receivedAt = startMs + request * REQUEST_MS
    const lines = door([...shop.until(receivedAt)], receivedAt)
    const sent = (request % AGAIN_EVERY === 0 ? [...lines, ...lines] : lines).slice(0, events - written)
    if (sent.length === 0) continue
    const { bytesWritten } = await file.write(`${sent.join('\n')}\n`)
    written += sent.length
    bytes += bytesWritten
    if (written - told < 100_000) continue
    told = written
    say(`${written.toLocaleString('en-US')} of ${events.toLocaleString('en-US')} events of the shop`)
  }
  return { events: written, bytesPerEvent: Math.round(bytes / written) }
}
