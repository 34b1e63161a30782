/** Verdict codes: what became of one event that was not accepted. */
export type VerdictCode =
  | 'SCHEMA_VIOLATION'
  | 'SCHEMA_UNKNOWN'
  | 'TIME_OUT_OF_RANGE'
  | 'EVENT_TOO_LARGE'
  | 'TOO_DEEP'
  | 'MALFORMED'
  | 'SHED'
  | 'OVERLOADED'
  | 'RATE_LIMITED'

/** Request codes: why a whole request was refused. */
export type ErrorCode =
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'BAD_INPUT'
  | 'TOO_LARGE'
  | 'TOO_MANY_EVENTS'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'RATE_LIMITED'
  | 'OVERLOADED'
  | 'UNAVAILABLE'
  | 'METRIC_UNKNOWN'
  | 'WINDOW_NOT_DEFINED'
  | 'FIELD_NOT_A_DIMENSION'
  | 'CURSOR_INVALID'

/** Status of each code where the protocol is HTTP. */
export const HTTP_STATUS: Record<ErrorCode, number> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  BAD_INPUT: 400,
  TOO_LARGE: 413,
  TOO_MANY_EVENTS: 422,
  UNSUPPORTED_MEDIA_TYPE: 415,
  RATE_LIMITED: 429,
  OVERLOADED: 429,
  UNAVAILABLE: 503,
  METRIC_UNKNOWN: 404,
  WINDOW_NOT_DEFINED: 400,
  FIELD_NOT_A_DIMENSION: 400,
  CURSOR_INVALID: 400,
}

/** Status of a receipt in which no event was accepted, by the first verdict's code. */
export const VERDICT_STATUS: Record<VerdictCode, number> = {
  SCHEMA_VIOLATION: 422,
  SCHEMA_UNKNOWN: 422,
  TIME_OUT_OF_RANGE: 422,
  EVENT_TOO_LARGE: 413,
  TOO_DEEP: 400,
  MALFORMED: 400,
  // Not 429: nothing is to be sent again.
  SHED: 200,
  OVERLOADED: 429,
  RATE_LIMITED: 429,
}

/**
 * An error that a user sees. The message says what was expected, what came, and what to do next.
 * `retryable` tells whether the same request can succeed later.
 */
export class MillraceError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly details: Record<string, unknown>
  constructor(code: ErrorCode, message: string, details: Record<string, unknown> = {}, options?: ErrorOptions) {
    super(message, options)
    this.name = 'MillraceError'
    this.code = code
    this.retryable = code === 'RATE_LIMITED' || code === 'OVERLOADED' || code === 'UNAVAILABLE'
    this.details = details
  }
}
