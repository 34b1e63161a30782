import type { Point } from '#gateway/live/points.ts'
import type { LateEvent } from '#schema/checkpoint.ts'
import { formatClock } from './parse.ts'
import { withCaseKeys } from './placement.ts'

/** `p50=5 p90=9 p99=9` of quantiles, `/x:3 /y:2` of topK (`/x:3+1` where up to one more may have been seen). */
const renderDetail = (detail: NonNullable<Point['detail']>): string => {
  if (!Array.isArray(detail))
    return Object.entries(detail)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')
  return detail.map(({ value, count, error }) => `${value}:${count}${error > 0 ? `+${error}` : ''}`).join(' ')
}

/**
 * `10:00-10:01 DE,/x = 9 (3) COMPLETE`: window, dimensions if there are any, value, events in brackets, status.
 * Null is `-`. Behind it `r2` (revision, where the case asks for it), `sampled 0.5` and `capped` where they apply.
 */
export const renderPoint = (point: Point, revisions: boolean): string => {
  const { windowStart, windowEnd, dimensions, value, detail, events, status, revision, sampled, capped } = point
  const dims = dimensions.length > 0 ? ` ${dimensions.map((one) => one ?? '-').join(',')}` : ''
  const window = `${formatClock(windowStart)}-${formatClock(windowEnd)}`
  const measured = detail === null ? (value ?? '-') : renderDetail(detail)
  return withCaseKeys(
    `${window}${dims} = ${measured} (${events}) ${status}` +
      `${revisions ? ` r${revision}` : ''}${sampled < 1 ? ` sampled ${sampled}` : ''}${capped ? ' capped' : ''}`,
  )
}

/** `c LATE watermark 10:16:40`: id, code, and the watermark that judged it, if any. */
export const renderLate = ({ line, code, watermark }: LateEvent): string =>
  `${line?.e.id ?? '-'} ${code}${watermark === null ? '' : ` watermark ${formatClock(watermark)}`}`

/** How far a number may be from one that a case gives as `~50`. */
const TOLERANCE = 0.01

/** A text as the case has it where they differ only in numbers that the case gives as about. */
export const roundedAs = (expected: string | undefined, text: string): string => {
  if (!expected?.includes('~')) return text
  const pattern = expected.split(/~-?[\d.]+/).map((part) => RegExp.escape(part))
  const found = new RegExp(`^${pattern.join('(-?[\\d.]+)')}$`).exec(text)
  const wanted = [...expected.matchAll(/~(-?[\d.]+)/g)].map(([, number]) => Number(number))
  const isNear = found
    ?.slice(1)
    .every((number, i) => Math.abs(Number(number) - wanted[i]) <= TOLERANCE * Math.abs(wanted[i]))
  return isNear ? expected : text
}
