import type { EventVerdict, Receipt } from '../collect/verdict.ts'

/** google.protobuf.Value as the loader makes it: `kind` says which of the others is there. */
export interface ValueMessage {
  kind?: 'nullValue' | 'numberValue' | 'stringValue' | 'boolValue' | 'structValue' | 'listValue'
  numberValue?: number
  stringValue?: string
  boolValue?: boolean
  structValue?: StructMessage
  listValue?: { values?: ValueMessage[] }
}

export interface StructMessage {
  fields?: Record<string, ValueMessage>
}

/** Messages of schema/collector.proto. What is at its default is absent. */
export interface EventMessage {
  id?: string
  name?: string
  time?: { seconds?: number; nanos?: number }
  sessionId?: string
  userId?: string
  anonymousId?: string
  properties?: StructMessage
  context?: StructMessage
  schemaVersion?: number
}

/** Of the whole message on its way. */
export const BYTES = Symbol('bytes')

export interface TrackRequest {
  [BYTES]?: number
  events?: EventMessage[]
  body?: Buffer
  source?: string
  all?: boolean
}

/** Latest time that RFC 3339 can write. */
const LATEST_MS = 253_402_300_799_999

const timeOf = ({ seconds = 0, nanos = 0 }: NonNullable<EventMessage['time']>): string => {
  const ms = Math.floor(seconds * 1_000 + nanos / 1_000_000)
  return new Date(Math.min(Math.max(ms, -LATEST_MS), LATEST_MS)).toISOString()
}

const jsonOf = (value: ValueMessage): unknown => {
  switch (value.kind) {
    case 'numberValue':
      return value.numberValue
    case 'stringValue':
      return value.stringValue
    case 'boolValue':
      return value.boolValue
    case 'structValue':
      return value.structValue && objectOf(value.structValue)
    case 'listValue':
      return (value.listValue?.values ?? []).map(jsonOf)
    default:
      return null
  }
}

const objectOf = ({ fields = {} }: StructMessage): Record<string, unknown> =>
  // Not by assignment: a field may be called __proto__, and is refused for it.
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, jsonOf(value)]))

/** The event as a client would have written it in JSON. */
export const eventOf = ({ time, properties, context, ...plain }: EventMessage): Record<string, unknown> => ({
  ...plain,
  ...(time ? { time: timeOf(time) } : {}),
  ...(properties ? { properties: objectOf(properties) } : {}),
  ...(context ? { context: objectOf(context) } : {}),
})

const verdictOf = ({ code, message, path, retryAfterMs, ...verdict }: EventVerdict) => ({
  ...verdict,
  code: code ?? '',
  message: message ?? '',
  path: path ?? '',
  retryAfterMs: retryAfterMs ?? 0,
})

export type ReceiptMessage = ReturnType<typeof receiptOf>

/** `all`: verdicts of accepted events as well. */
export const receiptOf = (receipt: Receipt, all: boolean) => {
  const { accepted, shed, rejected, refused } = receipt
  return { accepted, shed, rejected, verdicts: (all ? receipt.verdicts : refused).map(verdictOf) }
}
