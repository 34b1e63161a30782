import { type Hash128, hash128 } from './hash.ts'
import { CODED_FIELDS, type CodedField } from './scan/frame-scanner.ts'
import { PropertyName } from './scan/properties.ts'
import { ScannedEvent, ScannedLine } from './scan/scanned-line.ts'

/** An event as a client sends it, after the door: only these top-level keys exist. */
export interface ClientEvent {
  id: string
  name: string
  /** RFC 3339, as sent. */
  time?: string
  sessionId?: string
  userId?: string
  anonymousId?: string
  properties?: Record<string, unknown>
  context?: Record<string, unknown>
  schemaVersion?: number
}

export const CLIENT_KEYS = [
  'id',
  'name',
  'time',
  'sessionId',
  'userId',
  'anonymousId',
  'properties',
  'context',
  'schemaVersion',
] as const

/**
 * One line of a frame. The server's fields stand beside `e`, the client's part, and can never be written by a client.
 * Times are milliseconds since 1970 in UTC.
 */
export interface EventLine {
  tenant: string
  /** `live`, or the name of an import or replay. */
  source: string
  receivedAt: number
  /** Event time: e.time, else the time in a UUIDv7 id, else receivedAt. */
  time: number
  /** sessionId ?? userId ?? anonymousId ?? id: what places an event. Also the session that analysts see. */
  key: string
  /** 1, or 1/share for what was kept under load shedding. */
  weight: number
  country?: string
  browser?: string
  os?: string
  device?: string
  /** Version of the event's schema that it was checked against; 0 when there is none. */
  schema: number
  e: ClientEvent
}

export const LIVE_SOURCE = 'live'

/** What metrics count sessions by: an event that no client can send, folded in when a session ends. */
export const SESSION_END = '$session_end'

/** What is known of a session: how it began, how long it took (seconds), and how many events it had. */
export const SESSION_FIELDS = [
  'country',
  'browser',
  'os',
  'device',
  'userId',
  'anonymousId',
  'sessionId',
  'user',
  'properties.seconds',
  'properties.events',
] as const

/** What places an event: as the client sent it, never an address, a clock or a gateway's choice. */
export const eventKey = (event: ClientEvent): string => event.sessionId ?? event.userId ?? event.anonymousId ?? event.id

/** Hashes what identifies an event within its tenant and source: each has its own memory of identities. */
export const hashIdentity = (line: EventLine, seed: Hash128, out: Hash128): void => {
  if (line instanceof ScannedLine) line.hashIdentity(seed, out)
  else hash128(`${line.key}\u0000${line.e.id}`, seed, out)
}

/** Top-level fields that a metric may read; beside them `properties.<path>` and `context.<path>`. */
export const PLAIN_FIELDS = [
  'name',
  'country',
  'browser',
  'os',
  'device',
  'userId',
  'anonymousId',
  'sessionId',
  'user',
] as const

const MAX_PATH = 8
/** Whether a metric may read this field. */
export const isField = (field: string): boolean => {
  if ((PLAIN_FIELDS as readonly string[]).includes(field)) return true
  const [root, ...path] = field.split('.')
  return (
    (root === 'properties' || root === 'context') &&
    path.length > 0 &&
    path.length <= MAX_PATH &&
    path.every((part) => part.length > 0 && part.length <= 64 && part.isWellFormed())
  )
}

/** Compiles a field to a reader. `user` is the user, else the anonymous id, else the session. Absent: undefined. */
export const fieldReader = (field: string): ((line: EventLine) => unknown) => {
  switch (field) {
    case 'name':
      return (line) => line.e.name
    case 'country':
      return (line) => line.country
    case 'browser':
      return (line) => line.browser
    case 'os':
      return (line) => line.os
    case 'device':
      return (line) => line.device
    case 'userId':
      return (line) => line.e.userId
    case 'anonymousId':
      return (line) => line.e.anonymousId
    case 'sessionId':
      return (line) => line.key
    case 'user':
      return (line) => line.e.userId ?? line.e.anonymousId ?? line.key
  }
  const [root, ...path] = field.split('.')
  const rootOf: (line: EventLine) => Record<string, unknown> | undefined =
    root === 'properties' ? ({ e }) => e.properties : ({ e }) => e.context
  const [first] = path
  if (path.length === 1 && isOwn(first)) {
    if (root === 'properties' && isAscii(first)) {
      const name = new PropertyName(first)
      return ({ e }) => (e instanceof ScannedEvent ? e.property(name) : e.properties?.[first])
    }
    return (line) => rootOf(line)?.[first]
  }
  return (line) => readPath(rootOf(line), path)
}

/** A field whose values may have codes (see FrameScanner.code); null: they have none. */
export const codedField = (field: string): CodedField | null => {
  if (Object.hasOwn(CODED_FIELDS, field)) return CODED_FIELDS[field]
  const [root, first, ...more] = field.split('.')
  return root === 'properties' && more.length === 0 && isPlainName(first) ? new PropertyName(first) : null
}

/** Whether no object inherits it, so that it is an object's own wherever it is found. */
const isOwn = (name: string): boolean => !(name in Object.prototype)
const isPlainName = (name: string): boolean => isOwn(name) && isAscii(name)

const isAscii = (text: string): boolean => [...text].every((char) => char < '\x80')

const readPath = (root: unknown, path: readonly string[]): unknown => {
  let value = root
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    // Items of a list can be read by their place; how many there are is nothing that the event says.
    if (Array.isArray(value) && part === 'length') return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}
