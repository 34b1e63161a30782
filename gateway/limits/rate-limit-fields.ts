import type { Allowance } from './rate-limiter.ts'

const UNIT = { events: '"events"', bytes: '"content-bytes"' }

/**
 * The fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers): the limits, and what is left of them
 * at this gateway. Quotas are of one second. Empty where there is no limit.
 */
export const rateLimitFields = (allowances: readonly Allowance[]): Record<string, string> => {
  if (allowances.length === 0) return {}
  const policies = allowances.map(({ unit, perSecond }) => `"${unit}";q=${perSecond};qu=${UNIT[unit]};w=1`)
  const limits = allowances.map(({ unit, left }) => `"${unit}";r=${left};t=1`)
  return { 'ratelimit-policy': policies.join(', '), ratelimit: limits.join(', ') }
}
