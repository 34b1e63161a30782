import { type ClientEvent, LIVE_SOURCE } from '#schema/event.ts'
import type { GeoIp } from '../ports.ts'
import { createBoundedCache } from './bounded-cache.ts'
import { bareAddress } from './client-address.ts'
import { FIELD, type PlainEvents } from './plain/events.ts'
import { type Agent, createAgentReader } from './user-agent.ts'

/** What the request itself tells of the client. */
export interface RequestInfo {
  address?: string
  userAgent?: string
}

/** The server's fields that are derived from the client. */
export interface Enrichment extends Agent {
  /** ISO 3166-1 alpha-2. */
  country?: string
}

/**
 * Adds country, browser, operating system and device.
 *
 * An address is personal data: `context.ip` gives the country and is then taken out of the event, so no store ever
 * holds it. Who wants it kept sends it under `properties`.
 *
 * The request's own address and User-Agent speak for its events only when a browser or app sends its own: an import
 * (any source but live) and a server that passes `context.ip` or `context.userAgent` speak of others.
 */
export const createEnricher = ({ geoip, readAgent = createAgentReader() }: EnricherDependencies) => {
  const countries = createBoundedCache<string | undefined>(CACHED_ADDRESSES)
  const countryOf = (address: string) => countries.get(address, (its) => geoip.country(bareAddress(its)))
  const join = createJoiner()
  const derive = (address: unknown, userAgent: unknown): Enrichment =>
    join(
      typeof address === 'string' ? countryOf(address) : undefined,
      typeof userAgent === 'string' ? readAgent(userAgent) : NO_AGENT,
    )
  return (source: string, request: RequestInfo) => {
    // The same object for all events that tell nothing of their own.
    const ofRequest = source === LIVE_SOURCE ? derive(request.address, request.userAgent) : join(undefined, NO_AGENT)
    return {
      /** Takes `context.ip` out of `event`. */
      value(event: ClientEvent): Enrichment {
        const ip = takeAddress(event)
        const userAgent = event.context?.userAgent
        return ip === undefined && userAgent === undefined ? ofRequest : derive(ip, userAgent)
      },
      /** The same of a plain event, which is left as it is. */
      plain(events: PlainEvents, event: number): Enrichment {
        const hasAddress = events.start(event, FIELD.ip) !== 0
        const hasAgent = events.start(event, FIELD.userAgent) !== 0
        if (!hasAddress && !hasAgent) return ofRequest
        return derive(
          hasAddress ? events.text(event, FIELD.ip) : undefined,
          hasAgent ? events.text(event, FIELD.userAgent) : undefined,
        )
      },
    }
  }
}

export type Enricher = ReturnType<typeof createEnricher>

const CACHED_ADDRESSES = 50_000
const NO_AGENT: Agent = {}

/** The same object for the same country and agent: who writes lines makes its text once. */
const createJoiner = () => {
  const known = new WeakMap<Agent, Map<string | undefined, Enrichment>>()
  return (country: string | undefined, agent: Agent): Enrichment => {
    let ofAgent = known.get(agent)
    if (!ofAgent) {
      ofAgent = new Map()
      known.set(agent, ofAgent)
    }
    let joined = ofAgent.get(country)
    if (!joined) {
      joined = { ...(country !== undefined && { country }), ...agent }
      ofAgent.set(country, joined)
    }
    return joined
  }
}

export interface EnricherDependencies {
  geoip: GeoIp
  readAgent?: (userAgent: string) => Agent
}

const takeAddress = (event: ClientEvent): unknown => {
  if (event.context === undefined || !Object.hasOwn(event.context, 'ip')) return undefined
  const { ip, ...rest } = event.context
  event.context = rest
  return ip
}
