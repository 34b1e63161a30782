import type { UsageExchange } from '../ports.ts'
import { createRateLimiter, type RateLimiter, type RateLimiterDependencies, REPORT_MS } from './rate-limiter.ts'

/** Rises in this time are told of in one report. */
const PROMPT_MS = 10

interface SharedOptions extends Omit<RateLimiterDependencies, 'onRise'> {
  exchange: UsageExchange
}

/** A rate limiter that shares limits with those of the other gateways. */
export const createSharedRateLimiter = ({
  exchange,
  ...options
}: SharedOptions): Pick<RateLimiter, 'take' | 'look'> & { stop(): void } => {
  let prompt: NodeJS.Timeout | undefined
  const publish = (): void => {
    clearTimeout(prompt)
    prompt = undefined
    exchange.publish(limiter.report())
  }
  const onRise = (): void => {
    prompt ??= setTimeout(publish, PROMPT_MS)
  }
  const limiter = createRateLimiter({ ...options, onRise })
  const deafen = exchange.onReport(limiter.hear)
  const timer = setInterval(publish, REPORT_MS)
  // The others make room at once.
  publish()
  return {
    take: limiter.take,
    look: limiter.look,
    stop(): void {
      clearInterval(timer)
      clearTimeout(prompt)
      deafen()
      exchange.publish({ gateway: options.gateway, leaving: true, keys: {} })
    },
  }
}
