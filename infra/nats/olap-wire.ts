import { MillraceError } from '#schema/errors.ts'
import type { OlapService } from '#schema/olap.ts'

/** Questions and answers over OLAP_SUBJECT. An answer is JSON text cut into chunks; its headers number them. */
const OLAP_OPERATIONS = [
  'aggregates',
  'sessions',
  'newestSessions',
  'events',
  'deadLetters',
  'corrections',
  'totals',
  'positions',
  'markers',
  'ledger',
  'copies',
  'definitions',
  'sql',
  'holes',
  'acknowledgeHoles',
] as const
export type OlapOperation = (typeof OLAP_OPERATIONS)[number]

export interface OlapRequest {
  op: OlapOperation
  args: unknown[]
  /** The answer may come packed, where the store can: see PackedAggregates. */
  packed?: true
}

export type OlapAnswer = { result: unknown } | { error: { code: string; message: string } }

export const OLAP_HEADERS = {
  /** Number of the chunk, from 0. */
  chunk: 'Millrace-Chunk',
  /** On the last chunk: how many there are. */
  end: 'Millrace-Chunks',
} as const

/** Well below the 1 MB of a NATS message. */
export const CHUNK_BYTES = 400_000
/** Every so many chunks the server waits for a sign of the client: nobody's buffer overflows. */
export const ACK_EVERY = 8

export const unavailable = (message: string, cause?: unknown): MillraceError =>
  new MillraceError('UNAVAILABLE', message, {}, { cause })

/** Calls the operation that a request names. */
export const answerRequest = (olap: OlapService, { op, args }: OlapRequest): Promise<unknown> => {
  if (!OLAP_OPERATIONS.includes(op) || !Array.isArray(args)) {
    throw new MillraceError('BAD_INPUT', `unknown operation ${JSON.stringify(op)}`)
  }
  return (olap[op] as (...args: unknown[]) => Promise<unknown>)(...args)
}
