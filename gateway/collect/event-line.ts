import { type ClientEvent, eventKey } from '#schema/event.ts'
import type { Enrichment } from './enrich.ts'

/** What all events of one request have in common. */
export interface LineContext {
  tenant: string
  source: string
  /** Milliseconds since 1970. */
  receivedAt: number
}

/** Writes EventLine JSON. `text` is the event itself as JSON, so that it is serialised once. */
export const createLineWriter = ({ tenant, source, receivedAt }: LineContext) => {
  const head = `{"tenant":${JSON.stringify(tenant)},"source":${JSON.stringify(source)},"receivedAt":${receivedAt},"time":`
  let last: Enrichment = {}
  let lastText = ''
  return (event: ClientEvent, text: string, time: number, schema: number, enrichment: Enrichment): string => {
    // Most events of a request share what was derived from it.
    if (enrichment !== last) {
      last = enrichment
      lastText = enriched(enrichment)
    }
    return `${head}${time},"key":${JSON.stringify(eventKey(event))},"weight":1${lastText},"schema":${schema},"e":${text}}`
  }
}

const enriched = ({ country, browser, os, device }: Enrichment): string => {
  let text = ''
  if (country !== undefined) text += `,"country":${JSON.stringify(country)}`
  if (browser !== undefined) text += `,"browser":${JSON.stringify(browser)}`
  if (os !== undefined) text += `,"os":${JSON.stringify(os)}`
  if (device !== undefined) text += `,"device":${JSON.stringify(device)}`
  return text
}
