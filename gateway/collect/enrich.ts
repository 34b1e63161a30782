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
  const derive = (address: unknown, userAgent: unknown): Enrichment => {
    const country = typeof address === 'string' ? geoip.country(bareAddress(address)) : undefined
    return { ...(country !== undefined && { country }), ...(typeof userAgent === 'string' ? readAgent(userAgent) : {}) }
  }
  return (source: string, request: RequestInfo) => {
    // The same object for all events that tell nothing of their own.
    const ofRequest = source === LIVE_SOURCE ? derive(request.address, request.userAgent) : {}
    /** Takes `context.ip` out of `event`. */
    return (event: ClientEvent): Enrichment => {
      const ip = takeAddress(event)
      const userAgent = event.context?.userAgent
      return ip === undefined && userAgent === undefined ? ofRequest : derive(ip, userAgent)
    }
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
