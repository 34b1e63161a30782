import { MillraceError } from '#schema/errors.ts'

/** Of a request of which nothing was taken. */
export const overloaded = (retryAfterMs: number): MillraceError =>
  new MillraceError('OVERLOADED', 'Too much is waiting for the log; no event was taken. Send the same request again.', {
    retryAfterMs,
  })
