import type { Point } from '#gateway/live/points.ts'
import type { LateEvent } from '#schema/checkpoint.ts'
import { formatClock } from './parse.ts'
import { withCaseKeys } from './placement.ts'

/**
 * `10:00-10:01 DE,/x = 9 (3) COMPLETE`: window, dimensions if there are any, value, events in brackets, status.
 * Null is `-`. Behind it `r2` (revision, where the case asks for it), `sampled 0.5` and `capped` where they apply.
 */
export const renderPoint = (point: Point, revisions: boolean): string => {
  const { windowStart, windowEnd, dimensions, value, events, status, revision, sampled, capped } = point
  const dims = dimensions.length > 0 ? ` ${dimensions.map((one) => one ?? '-').join(',')}` : ''
  const window = `${formatClock(windowStart)}-${formatClock(windowEnd)}`
  return withCaseKeys(
    `${window}${dims} = ${value ?? '-'} (${events}) ${status}` +
      `${revisions ? ` r${revision}` : ''}${sampled < 1 ? ` sampled ${sampled}` : ''}${capped ? ' capped' : ''}`,
  )
}

/** `c LATE watermark 10:16:40`: id, code, and the watermark that judged it, if any. */
export const renderLate = ({ line, code, watermark }: LateEvent): string =>
  `${line?.e.id ?? '-'} ${code}${watermark === null ? '' : ` watermark ${formatClock(watermark)}`}`
