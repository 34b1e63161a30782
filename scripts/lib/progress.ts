/** How far a long task is. `done` and `total` in any one unit; `events` and `retries` so far. */
export interface Progress {
  done: number
  total: number
  events: number
  retries: number
}

export interface ProgressOutput {
  write(text: string): void
  isTTY?: boolean
}

export interface ProgressDependencies {
  output: ProgressOutput
  /** Milliseconds on a clock that never jumps. */
  now?: () => number
}

const REDRAW_MS = 100
const LINE_MS = 10_000
const BAR_CHARS = 30

/** A bar that redraws itself on a terminal; elsewhere a line now and then. */
export const createProgress = ({ output, now = () => performance.now() }: ProgressDependencies) => {
  const startedAt = now()
  const everyMs = output.isTTY ? REDRAW_MS : LINE_MS
  let shownAt = startedAt
  let drawn = false
  let last: Progress | undefined
  const draw = (progress: Progress) => {
    const text = formatProgress(progress, now() - startedAt)
    output.write(output.isTTY ? `\r${text}\u001b[K` : `${text}\n`)
    drawn = true
  }
  return {
    update: (progress: Progress): void => {
      last = progress
      if (now() - shownAt < everyMs) return
      shownAt = now()
      draw(progress)
    },
    /** Leaves the last state behind; nothing when nothing was ever shown. */
    end: (): void => {
      if (!drawn || !last) return
      draw(last)
      if (output.isTTY) output.write('\n')
    },
  }
}

/** `[#####.....]  50%  1,234 events  617/s  2 s left  1 retry` */
export const formatProgress = ({ done, total, events, retries }: Progress, elapsedMs: number): string => {
  const share = total > 0 ? Math.min(1, done / total) : 1
  const filled = Math.floor(share * BAR_CHARS)
  const seconds = Math.max(elapsedMs, 1) / 1000
  const parts = [
    `[${'#'.repeat(filled)}${'.'.repeat(BAR_CHARS - filled)}] ${String(Math.floor(share * 100)).padStart(3)}%`,
    `${events.toLocaleString('en-US')} events`,
    `${Math.round(events / seconds).toLocaleString('en-US')}/s`,
  ]
  if (share > 0 && share < 1) parts.push(`${formatSeconds((seconds * (1 - share)) / share)} left`)
  if (retries > 0) parts.push(`${retries} ${retries === 1 ? 'retry' : 'retries'}`)
  return parts.join('  ')
}

const formatSeconds = (seconds: number): string => {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
