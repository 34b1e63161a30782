import { MillraceError } from '#schema/errors.ts'

/** What Druid says of an error, in its newer form or the older one. */
interface Complaint {
  error?: unknown
  errorMessage?: unknown
  errorClass?: unknown
  /** Of the newer form: whose fault it is, and what kind. */
  persona?: unknown
  category?: unknown
}

const SHOWN = 500
const THEIR_FAULT: readonly unknown[] = ['INVALID_INPUT', 'UNSUPPORTED', 'NOT_FOUND']
/** Old form: what was asked cannot be answered, however often. */
const BAD_QUESTIONS: readonly unknown[] = ['Plan validation failed', 'SQL parse failed', 'Unsupported operation']
const TOO_MUCH: readonly unknown[] = ['Resource limit exceeded']

export const unavailable = (message: string, cause?: unknown): MillraceError =>
  new MillraceError('UNAVAILABLE', message, {}, { cause })

const readComplaint = (text: string): Complaint => {
  try {
    const said: unknown = JSON.parse(text)
    if (typeof said === 'object' && said !== null) return said
  } catch {
    // A page or nothing: shown as it is.
  }
  return { errorMessage: text }
}

/** BAD_INPUT where the statement is at fault, with Druid's words about it; anything else is UNAVAILABLE. */
export const answerError = (status: number, text: string): MillraceError => {
  const { error, errorMessage, category } = readComplaint(text)
  const words = String(errorMessage ?? error ?? text).slice(0, SHOWN)
  if (THEIR_FAULT.includes(category) || BAD_QUESTIONS.includes(error)) return new MillraceError('BAD_INPUT', words)
  if (TOO_MUCH.includes(error) || category === 'CAPACITY_EXCEEDED') {
    return new MillraceError('BAD_INPUT', `too much for Druid at once: ask for a shorter range, or for less (${words})`)
  }
  return unavailable(`Druid answered ${status}: ${words}`)
}
