import { Metadata, status } from '@grpc/grpc-js'
import type { ErrorCode, MillraceError } from '#schema/errors.ts'

/** Status of each code where the protocol is gRPC. */
const STATUS: Record<ErrorCode, status> = {
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  FORBIDDEN: status.PERMISSION_DENIED,
  BAD_INPUT: status.INVALID_ARGUMENT,
  TOO_LARGE: status.RESOURCE_EXHAUSTED,
  TOO_MANY_EVENTS: status.INVALID_ARGUMENT,
  UNSUPPORTED_MEDIA_TYPE: status.INVALID_ARGUMENT,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
  UNAVAILABLE: status.UNAVAILABLE,
  METRIC_UNKNOWN: status.NOT_FOUND,
  WINDOW_NOT_DEFINED: status.INVALID_ARGUMENT,
  FIELD_NOT_A_DIMENSION: status.INVALID_ARGUMENT,
  CURSOR_INVALID: status.INVALID_ARGUMENT,
}

/**
 * How a call ends that fails as a whole. `grpc-retry-pushback-ms` is what clients with a retry policy wait for (gRPC
 * proposal A6). `fields` are further trailers.
 */
export const failureOf = ({ code, message, details }: MillraceError, fields: Record<string, string> = {}) => {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value)
  metadata.set('millrace-code', code)
  const { retryAfterMs } = details
  if (typeof retryAfterMs === 'number') metadata.set('grpc-retry-pushback-ms', String(retryAfterMs))
  return Object.assign(new Error(message), { code: STATUS[code], details: message, metadata })
}
