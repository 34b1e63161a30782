import { formatTime } from '#schema/time.ts'

interface Failure {
  since: number
  reason: string
  /** Nothing more is tried. */
  isFinal: boolean
}

/** What does not get on, by its name, since when and why. */
export const createTrouble = (now: () => number, patienceMs: number) => {
  const failures = new Map<string, Failure>()
  return {
    failed(what: string, reason: string, isFinal = false): void {
      failures.set(what, { since: failures.get(what)?.since ?? now(), reason, isFinal })
    },
    succeeded(what: string): void {
      failures.delete(what)
    },
    /** In words, of what has failed for longer than patience lasts. */
    problems: (): string[] =>
      [...failures]
        .filter(([, { since, isFinal }]) => isFinal || now() - since >= patienceMs)
        .map(([what, { since, reason }]) => `${what} is behind since ${formatTime(since)}: ${reason}`),
  }
}

export type Trouble = ReturnType<typeof createTrouble>
