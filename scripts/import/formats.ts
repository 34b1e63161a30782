import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import { isIP } from 'node:net'
import type { ClientEvent } from '#schema/event.ts'
import { type AccessLine, parseAccessLine } from './access-log.ts'
import { decodeLine } from './lines.ts'

/** What a line becomes: one event as JSON, or why it cannot be read. */
export type Parsed = { json: string } | { problem: string }

/** Reads one line; `number` is its place in the file. */
export type LineFormat = (bytes: Buffer, number: number) => Parsed

/** Of the line's content and place, so that the same line of the same file is the same event, and its twin another. */
const lineId = (bytes: Buffer, number: number): string =>
  hash('sha256', Buffer.concat([Buffer.from(`${number}\n`), bytes])).slice(0, 32)

const apacheCombined: LineFormat = (bytes, number) => {
  const line = parseAccessLine(decodeLine(bytes))
  return typeof line === 'string'
    ? { problem: line }
    : { json: JSON.stringify(toPageView(line, lineId(bytes, number))) }
}

/** The address goes as context.ip too: the gateway derives the country from it and takes it out. */
export const toPageView = (line: AccessLine, id: string): ClientEvent => {
  const { host, user, time, userAgent, ...properties } = line
  const context = { ...(isIP(host) > 0 && { ip: host }), ...(userAgent !== undefined && { userAgent }) }
  return {
    id,
    name: 'page_view',
    time,
    ...(user !== undefined && { userId: user }),
    anonymousId: host,
    properties,
    context,
  }
}

/** The event goes on as it is written; only an id is put in front when it has none. */
const ndjson: LineFormat = (bytes, number) => {
  if (!isUtf8(bytes)) return { problem: 'expected UTF-8, found other bytes' }
  const text = bytes.toString('utf8').trim()
  const event = parseJson(text)
  if (event instanceof SyntaxError) return { problem: event.message }
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    return { problem: 'expected one JSON object a line' }
  }
  if (Object.hasOwn(event, 'id')) return { json: text }
  const rest = text.slice(1).trimStart()
  return { json: `{"id":"${lineId(bytes, number)}"${rest === '}' ? '' : ','}${rest}` }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    return error
  }
}

export const FORMATS = { 'apache-combined': apacheCombined, ndjson } satisfies Record<string, LineFormat>
export type FormatName = keyof typeof FORMATS
