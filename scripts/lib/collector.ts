import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, backoffMs, noAnswer, type Receipt, readAnswer } from './collector-answer.ts'

/** Events that could not be delivered: refused for good, or the patience ended. */
export class DeliveryError extends Error {
  /** What the last answer said, if there was one: some events may have been taken. */
  readonly receipt: Receipt | undefined
  constructor(message: string, receipt?: Receipt) {
    super(message)
    this.name = 'DeliveryError'
    this.receipt = receipt
  }
}

export interface CollectorClientOptions {
  url: string
  key: string
  /** Names an import; live traffic without it. */
  source?: string
  /** How long one batch is tried again before DeliveryError; Infinity: until the signal aborts. */
  patienceMs: number
  /** How long one request may take. */
  requestMs?: number
  signal?: AbortSignal
  onRetry?: (reason: string) => void
  fetch?: typeof fetch
  random?: () => number
  /** Milliseconds on a clock that never jumps. */
  now?: () => number
  /** Milliseconds. Rejects when the signal aborts. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<unknown>
}

const sleepFor = (ms: number, signal?: AbortSignal) => delay(ms, undefined, { signal })

/**
 * Sends events to POST /v1/events and tries again where that can help: the network, 429, 5xx, and verdicts that say
 * so. The whole batch is sent again; identities make each event count once.
 */
export const createCollectorClient = (options: CollectorClientOptions) => {
  const { patienceMs, signal, random = Math.random, now = () => performance.now(), sleep = sleepFor } = options
  const post = createPost(options)
  let retries = 0

  /** `ndjson` holds one event a line. Rejects with DeliveryError, or with the signal's reason. */
  const send = async (ndjson: string): Promise<Receipt> => {
    const since = now()
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted()
      const answer = await post(ndjson)
      if (answer.kind === 'receipt') return answer.receipt
      if (answer.kind === 'refused') throw new DeliveryError(answer.reason, answer.receipt)
      const waitMs = Math.max(answer.retryAfterMs, backoffMs(attempt, random()))
      if (now() - since + waitMs > patienceMs) {
        throw new DeliveryError(
          `gave up after ${Math.round((now() - since) / 1000)} s: ${answer.reason}`,
          answer.receipt,
        )
      }
      retries++
      options.onRetry?.(answer.reason)
      await sleep(waitMs, signal)
    }
  }

  return { send, retries: () => retries }
}

export type CollectorClient = ReturnType<typeof createCollectorClient>

const createPost = ({
  url,
  key,
  source,
  requestMs = 30_000,
  signal,
  fetch = globalThis.fetch,
}: CollectorClientOptions) => {
  const target = new URL(url)
  if (source !== undefined) target.searchParams.set('source', source)
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' }
  return async (body: string): Promise<Answer> => {
    const timeout = AbortSignal.timeout(requestMs)
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout
    try {
      const response = await fetch(target, { method: 'POST', headers, body, signal: either })
      return readAnswer(response.status, response.headers.get('retry-after'), await response.text())
    } catch (error) {
      signal?.throwIfAborted()
      return { kind: 'again', reason: noAnswer(target, error), retryAfterMs: 0 }
    }
  }
}
