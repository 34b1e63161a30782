/** What became of one event that was not accepted, as the collector says. */
export interface Verdict {
  /** Place in the request. */
  index: number
  status: string
  code: string | null
  message: string | null
  retryable: boolean
  retryAfterMs: number | null
}

export interface Receipt {
  accepted: number
  shed: number
  rejected: number
  /** Of the events that were not accepted. */
  verdicts: Verdict[]
}

/** What an answer means for the sender. */
export type Answer =
  | { kind: 'receipt'; receipt: Receipt }
  /** Sending the same again can help. */
  | { kind: 'again'; reason: string; retryAfterMs: number; receipt?: Receipt }
  | { kind: 'refused'; reason: string; receipt?: Receipt }

interface ErrorBody {
  error?: { code?: string; message?: string; retryAfterMs?: number }
}

/** Reads the collector's answer: a receipt at any status, or an error. */
export const readAnswer = (status: number, retryAfter: string | null, text: string): Answer => {
  const body = parse(text)
  if (isReceipt(body)) return readReceipt(body)
  const { code, message, retryAfterMs } = (body as ErrorBody | null)?.error ?? {}
  const reason = `${status} ${code ?? ''} ${message ?? text.slice(0, 200)}`.replace(/\s+/g, ' ').trim()
  if (status !== 429 && status < 500) return { kind: 'refused', reason }
  return { kind: 'again', reason, retryAfterMs: Math.max(retryAfterMs ?? 0, headerMs(retryAfter)) }
}

const readReceipt = (receipt: Receipt): Answer => {
  const again = receipt.verdicts.filter((verdict) => verdict.retryable)
  if (again.length === 0) return { kind: 'receipt', receipt }
  return {
    kind: 'again',
    reason: `${again.length} events: ${again[0].code} ${again[0].message}`,
    retryAfterMs: Math.max(...again.map((verdict) => verdict.retryAfterMs ?? 0)),
    receipt,
  }
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const isReceipt = (body: unknown): body is Receipt =>
  typeof body === 'object' && body !== null && 'accepted' in body && 'verdicts' in body && Array.isArray(body.verdicts)

/** Retry-After in seconds (RFC 9110, section 10.2.3); a date is not understood and says nothing. */
const headerMs = (text: string | null): number => (text !== null && /^\d+$/.test(text) ? Number(text) * 1000 : 0)

const FIRST_BACKOFF_MS = 100
const LAST_BACKOFF_MS = 5_000

/** Doubles from 100 ms to 5 s; `random` in [0, 1) takes up to half away, so that many senders do not return as one. */
export const backoffMs = (attempt: number, random: number): number =>
  Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt) * (1 - random / 2)

/** Why no answer came, in words. */
export const noAnswer = (url: URL, error: unknown): string => {
  const { cause, message } = error as Error
  return `no answer from ${url.origin}: ${cause instanceof Error ? cause.message || cause.name : message}`
}
