/** What a server made of one request. */
export interface LoadReceipt {
  /** Places of the events that it did not take; 'all' where it took none. */
  refused: readonly number[] | 'all'
  /** Of the first that was not taken. */
  code?: string
}

const TAKEN: LoadReceipt = { refused: [] }

interface Counts {
  accepted?: number
  verdicts?: { index: number; code?: string | null }[]
}

interface Body extends Counts {
  data?: { trackEvents?: Counts | null; trackBatch?: Counts | null } | null
  errors?: { extensions?: { code?: string } }[]
  error?: { code?: string }
}

/** From counts and verdicts of what was refused. */
export const receiptOf = ({ verdicts = [] }: Counts): LoadReceipt => {
  if (verdicts.length === 0) return TAKEN
  return { refused: verdicts.map(({ index }) => index), code: verdicts[0].code ?? 'UNKNOWN' }
}

/** Reads the answer of the collector or of GraphQL to a request of so many events. */
export const readReceipt = (text: string, events: number): LoadReceipt => {
  // The usual answer is not parsed.
  if (text.includes(`"accepted":${events},`)) return TAKEN
  let body: Body
  try {
    body = JSON.parse(text) as Body
  } catch {
    return { refused: 'all', code: 'UNREADABLE' }
  }
  const counts = body.data?.trackEvents ?? body.data?.trackBatch ?? body
  if (counts.accepted !== undefined) return receiptOf(counts)
  return { refused: 'all', code: body.errors?.[0]?.extensions?.code ?? body.error?.code ?? 'UNKNOWN' }
}
