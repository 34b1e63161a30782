import type { ArchivedEvent } from './archive.ts'
import { CLIENT_KEYS, type ClientEvent, type EventLine } from './event.ts'

/** Place of a line in the log. */
export interface Place {
  partition: number
  sequence: number
  index: number
}

const LINE_KEYS: ReadonlySet<string> = new Set([
  'tenant',
  'source',
  'receivedAt',
  'time',
  'key',
  'weight',
  'country',
  'browser',
  'os',
  'device',
  'schema',
  'e',
])
const EVENT_KEYS: ReadonlySet<string> = new Set(CLIENT_KEYS)
const hasOnly = (value: object, keys: ReadonlySet<string>): boolean => {
  for (const key in value) if (!keys.has(key)) return false
  return true
}

/** Numbers that JSON.stringify would not write again as they are: beyond a double, and minus zero. */
const UNUSUAL_NUMBER = /\d[eE]\+?\d{3}|\d{309}|-0(?![.\d]*[1-9])/

const isVersion = (value: unknown): boolean =>
  value === undefined || (Number.isInteger(value) && Math.abs(value as number) < 2 ** 31)

const fits = (line: EventLine, text: string): boolean => {
  const { e, key } = line
  return (
    hasOnly(line, LINE_KEYS) &&
    hasOnly(e, EVENT_KEYS) &&
    (e.time === undefined || typeof e.time === 'string') &&
    (e.sessionId === undefined || e.sessionId === key) &&
    isVersion(e.schemaVersion) &&
    !UNUSUAL_NUMBER.test(text)
  )
}

const jsonOf = (value: object | undefined): string | null => (value === undefined ? null : JSON.stringify(value))

/** As it stands in the line: readEventLine has rounded it. Most are 1, and the line need not be parsed again. */
const weightIn = (text: string, { weight }: EventLine): number =>
  weight === 1 && text.includes('"weight":1,') ? 1 : (JSON.parse(text) as EventLine).weight

/** The row of a line, and of what readEventLine made of it: what a fold reads of the line can be read of the row. */
export const toEventRow = (text: string, line: EventLine, { partition, sequence, index }: Place): ArchivedEvent => {
  const { e } = line
  const isWhole = fits(line, text)
  return {
    tenant: line.tenant,
    source: line.source,
    id: e.id,
    name: e.name,
    time: line.time,
    received_at: line.receivedAt,
    session_id: line.key,
    user_id: e.userId ?? null,
    anonymous_id: e.anonymousId ?? null,
    properties: jsonOf(e.properties),
    context: jsonOf(e.context),
    country: line.country ?? null,
    browser: line.browser ?? null,
    os: line.os ?? null,
    device: line.device ?? null,
    weight: weightIn(text, line),
    schema_version: line.schema,
    partition,
    sequence,
    index,
    sent_time: typeof e.time === 'string' ? e.time : null,
    sent_session: e.sessionId === line.key,
    sent_schema_version: isWhole ? (e.schemaVersion ?? null) : null,
    line: isWhole ? null : text,
  }
}

/** Without what is null. */
const present = <T extends object>(fields: T): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as Partial<T>

const parsed = (json: string | null): unknown => (json === null ? null : JSON.parse(json))

/** The line again: the same JSON value as stood in the log. */
export const toLine = (row: ArchivedEvent): string => {
  if (row.line !== null) return row.line
  const e = present({
    id: row.id,
    name: row.name,
    time: row.sent_time,
    sessionId: row.sent_session ? row.session_id : null,
    userId: row.user_id,
    anonymousId: row.anonymous_id,
    properties: parsed(row.properties),
    context: parsed(row.context),
    schemaVersion: row.sent_schema_version,
  }) as unknown as ClientEvent
  const { country, browser, os, device } = row
  const line: EventLine = {
    tenant: row.tenant,
    source: row.source,
    receivedAt: row.received_at,
    time: row.time,
    key: row.session_id,
    weight: row.weight,
    ...(present({ country, browser, os, device }) as Pick<EventLine, 'country' | 'browser' | 'os' | 'device'>),
    schema: row.schema_version,
    e,
  }
  return JSON.stringify(line)
}
