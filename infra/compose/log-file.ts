import { createWriteStream, existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'

/** The log of one child, in a file of its own. */
export interface LogFile {
  /** One line as the child wrote it: JSON of pino, the format of nats-server, or plain text. */
  write(line: string): void
}

/**
 * Opens <folder>/<name>.log; the one of the start before is kept as <name>.1.log. Warnings and errors also go to
 * `onProblem`, as one readable line.
 */
export const openLogFile = (folder: string, name: string, onProblem: (line: string) => void): LogFile => {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, `${name}.log`)
  if (existsSync(file)) renameSync(file, join(folder, `${name}.1.log`))
  const stream = createWriteStream(file, { flags: 'a' })
  // A full disk must not end the supervisor.
  stream.on('error', () => {})
  const isNews = createRepetitionFilter(REPEAT_MS, () => performance.now())
  return {
    write: (line) => {
      stream.write(`${line}\n`)
      const problem = problemIn(line)
      if (problem !== null && isNews(problem)) onProblem(`${name}: ${problem}`)
    },
  }
}

const REPEAT_MS = 30_000

/** Whether a text was not let through within the last `quietMs`: one cause must not fill a terminal. */
export const createRepetitionFilter = (quietMs: number, now: () => number) => {
  const shownAt = new Map<string, number>()
  return (text: string): boolean => {
    for (const [shown, at] of shownAt) if (now() - at >= quietMs) shownAt.delete(shown)
    if (shownAt.has(text)) return false
    shownAt.set(text, now())
    return true
  }
}

const WARN = 40

/** The message of a warning or an error, in one line; null for all others. nats-server warns of each crash it mends. */
export const problemIn = (line: string): string | null => {
  const server = /^\[\d+\] \S+ \S+ \[(?:ERR|FTL)\] (.*)$/.exec(line)
  if (server) return server[1]
  if (!line.startsWith('{')) return null
  try {
    const { level, msg = '', err, error, reason } = JSON.parse(line)
    if (typeof level !== 'number' || level < WARN) return null
    const detail = err?.message ?? error ?? reason
    return typeof detail === 'string' && detail !== msg ? `${msg}: ${detail.split('\n')[0]}` : String(msg)
  } catch {
    return null
  }
}
