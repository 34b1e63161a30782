import { MillraceError } from '#schema/errors.ts'
import { unavailable } from './sql-errors.ts'

export interface AnswerBounds {
  /** Rows; one more is too many. */
  mostRows: number
  mostBytes: number
}

const cut = (cause?: unknown): MillraceError => unavailable('Druid broke its answer off; ask again', cause)

const readLine = (line: string): unknown[] => {
  try {
    const values: unknown = JSON.parse(line)
    if (Array.isArray(values)) return values
  } catch {
    // Told below: a line is an array, or the answer is broken.
  }
  throw cut()
}

/**
 * Lines of Druid's result format `arrayLines`: each is an array, and an empty one ends the answer. Without it the answer
 * was broken off, however whole its last line looks: UNAVAILABLE. Beyond the bounds: BAD_INPUT.
 */
export async function* answerLines(
  chunks: AsyncIterable<Uint8Array>,
  { mostRows, mostBytes }: AnswerBounds,
): AsyncGenerator<unknown[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let [rest, bytes, lines, ended] = ['', 0, 0, false]
  try {
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > mostBytes) {
        throw new MillraceError('BAD_INPUT', `more than ${mostBytes} bytes: add a LIMIT, or aggregate`)
      }
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = parts.pop() ?? ''
      for (const line of parts) {
        if (ended) throw cut()
        if (line === '') ended = true
        // The first line is the header.
        else if (lines++ > mostRows) {
          throw new MillraceError('BAD_INPUT', `more than ${mostRows} rows: add a LIMIT, or aggregate`)
        } else yield readLine(line)
      }
    }
  } catch (error) {
    if (error instanceof MillraceError || (error instanceof Error && error.name === 'AbortError')) throw error
    throw cut(error)
  }
  if (!ended || rest !== '') throw cut()
}
