import type { KeyRecord } from '#schema/keys.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import type { EventProblem } from './verdict.ts'

/** The events of a request that its key may not send now: all from one on. */
export interface Over {
  from: number
  problem: EventProblem
}

interface Sent {
  key?: KeyRecord
  events: { readonly length: number }
  /** Of all events. */
  bytes?: number
}

/** Null where all may be sent; those that may are taken from what the key has left, whatever becomes of them. */
export const overLimit = (
  { key, events, bytes = 0 }: Sent,
  rates: Pick<RateLimiter, 'take'> | undefined,
): Over | null => {
  if (!key || !rates) return null
  const granted = rates.take(key, events.length, bytes)
  if (granted.events === events.length) return null
  const { retryAfterMs } = granted
  const message = `the key sends more than its limit. Send the event again after ${retryAfterMs} ms, with the same id.`
  return { from: granted.events, problem: { code: 'RATE_LIMITED', message, retryAfterMs } }
}
