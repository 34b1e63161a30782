import { randomUUID } from 'node:crypto'
import { MillraceError } from '#schema/errors.ts'
import { type AnswerBounds, answerLines } from './answer-lines.ts'
import { answerError, unavailable } from './sql-errors.ts'

/** Bound to a `?` of the statement; a number that is whole is a BIGINT. */
export type SqlValue = string | number

export interface SqlAnswer {
  columns: string[]
  rows: unknown[][]
}

interface AskOptions extends Partial<AnswerBounds> {
  /** Its abort ends the question in Druid too, and rejects with its reason. */
  signal?: AbortSignal
}

/** SQL over HTTP. */
export interface DruidClient {
  /**
   * All rows of one statement; values are never part of its text. Rejects with BAD_INPUT where Druid does not take the
   * statement or the answer would be too big, and with UNAVAILABLE where it does not answer in time or not whole.
   */
  query(statement: string, values?: readonly SqlValue[], options?: AskOptions): Promise<SqlAnswer>
}

interface DruidClientOptions {
  /** Of a router or a broker. */
  url: string
  /** Longest that a question may take, milliseconds: Druid is told, and asked to end what takes longer. */
  timeoutMs?: number
}

const TIMEOUT_MS = 10_000
const BOUNDS: AnswerBounds = { mostRows: 500_000, mostBytes: 64 << 20 }
/** For Druid's own words about a question that took too long. */
const GRACE_MS = 1_000
const CANCEL_MS = 5_000

const parameter = (value: SqlValue): { type: string; value: SqlValue } => {
  if (typeof value === 'string') return { type: 'VARCHAR', value }
  return { type: Number.isSafeInteger(value) ? 'BIGINT' : 'DOUBLE', value }
}

export const createDruidClient = ({ url, timeoutMs = TIMEOUT_MS }: DruidClientOptions): DruidClient => {
  const endpoint = `${url.replace(/\/+$/, '')}/druid/v2/sql`

  /** Nobody waits for it: what cannot be ended so ends by its own time-out. */
  const cancel = (id: string): void => {
    const signal = AbortSignal.timeout(CANCEL_MS)
    fetch(`${endpoint}/${id}`, { method: 'DELETE', signal }).then(
      (response) => response.body?.cancel(),
      () => undefined,
    )
  }

  const ask = (id: string, statement: string, values: readonly SqlValue[], signal: AbortSignal): Promise<Response> =>
    fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        query: statement,
        parameters: values.map(parameter),
        resultFormat: 'arrayLines',
        header: true,
        context: { sqlQueryId: id, timeout: timeoutMs, sqlTimeZone: 'UTC' },
      }),
      signal,
    })

  const read = async (response: Response, bounds: AnswerBounds): Promise<SqlAnswer> => {
    if (!response.ok) throw answerError(response.status, await response.text())
    const lines = answerLines(response.body ?? new Blob().stream(), bounds)
    const header = await lines.next()
    if (header.done) return { columns: [], rows: [] }
    const rows: unknown[][] = []
    for await (const row of lines) rows.push(row)
    return { columns: header.value.map(String), rows }
  }

  return {
    async query(statement, values = [], { signal, ...bounds } = {}) {
      const id = randomUUID()
      const limit = AbortSignal.timeout(timeoutMs + GRACE_MS)
      let isWhole = false
      try {
        const response = await ask(id, statement, values, signal ? AbortSignal.any([signal, limit]) : limit)
        // An error that Druid answers ends the question there.
        isWhole = !response.ok
        const answer = await read(response, { ...BOUNDS, ...bounds })
        isWhole = true
        return answer
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        if (limit.aborted) throw unavailable(`Druid took longer than ${timeoutMs / 1000} s`, error)
        if (error instanceof MillraceError) throw error
        const { message, cause } = error as Error
        throw unavailable(`Druid does not answer (${cause instanceof Error ? cause.message : message})`, error)
      } finally {
        if (!isWhole) cancel(id)
      }
    },
  }
}
