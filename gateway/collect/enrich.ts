import { type ClientEvent, LIVE_SOURCE } from '#schema/event.ts'
import type { GeoIp } from '../ports.ts'
import { bareAddress } from './client-address.ts'
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
  /** Takes `context.ip` out of `event`. */
  return (event: ClientEvent, source: string, request: RequestInfo): Enrichment => {
    const ip = takeAddress(event)
    const userAgent = event.context?.userAgent
    const own = source === LIVE_SOURCE && ip === undefined && userAgent === undefined
    const address = ip ?? (own ? request.address : undefined)
    const agent = userAgent ?? (own ? request.userAgent : undefined)
    const country = typeof address === 'string' ? geoip.country(bareAddress(address)) : undefined
    return { ...(country !== undefined && { country }), ...(typeof agent === 'string' ? readAgent(agent) : {}) }
  }
}

export interface EnricherDependencies {
  geoip: GeoIp
  readAgent?: (userAgent: string) => Agent
}

export type Enricher = ReturnType<typeof createEnricher>

const takeAddress = (event: ClientEvent): unknown => {
  if (event.context === undefined || !Object.hasOwn(event.context, 'ip')) return undefined
  const { ip, ...rest } = event.context
  event.context = rest
  return ip
}
