import type { Point } from '#infra/testing/graphql.ts'
import type { Said } from './measured.ts'
import type { Windows } from './model.ts'

/** What somebody says of a window, by the key of the point. */
export interface Found extends Said {
  endMs: number
  events: number
}

export const foundOf = ({ windowEnd, events, value, detail }: Point): Found => ({
  endMs: Date.parse(windowEnd),
  events: Number(events),
  value,
  detail,
})

/** Points as they were answered or pushed, without those that were taken back. */
export const foundIn = (points: ReadonlyMap<string, Point>): Map<string, Found> =>
  new Map([...points].filter(([, { status }]) => status !== 'RETRACTED').map(([key, point]) => [key, foundOf(point)]))

const show = ({ value, detail, events, endMs }: Found): string =>
  `${detail ? JSON.stringify(detail) : value} of ${events} events up to ${new Date(endMs).toISOString()}`

/** Each window in which somebody differs from what must be, in words. What holds no event need not be told. */
export const differences = (expected: Windows, found: ReadonlyMap<string, Found>): string[] => {
  const lines: string[] = []
  for (const [key, { events, endMs, measured }] of expected) {
    const one = found.get(key)
    if (!one) lines.push(`${key}: ${events} events are missing`)
    else if (one.events !== events) lines.push(`${key}: ${show(one)}, and not ${events}`)
    else if (one.endMs !== endMs) lines.push(`${key}: ${show(one)}, and not ${new Date(endMs).toISOString()}`)
    else {
      const right = measured.judge(one)
      if (right !== null) lines.push(`${key}: ${show(one)}; expected ${right}`)
    }
  }
  for (const [key, one] of found) {
    if (one.events > 0 && !expected.has(key)) lines.push(`${key}: ${show(one)}, and nothing is there`)
  }
  return lines
}

/**
 * Points that two say differently though both have them: their status or how often they changed. `others`: what the
 * other said at several moments, of which it must have said the same at one.
 */
export const disagreements = (
  ones: ReadonlyMap<string, Point>,
  ...others: readonly ReadonlyMap<string, Point>[]
): string[] => {
  const state = ({ status, revision }: Point) => `${status}, revision ${revision}`
  return [...ones].flatMap(([key, one]) => {
    const states = others.flatMap((other) => other.get(key) ?? []).map(state)
    const isTold = states.length === 0 || states.includes(state(one))
    return isTold ? [] : [`${key}: ${state(one)}; the other has ${[...new Set(states)].join(' and ')}`]
  })
}

/**
 * The same where windows are filled by clocks that go on while they are looked at: what is the same before and after must
 * be told so, and the rest must lie between.
 */
export const differencesBetween = (
  least: Windows,
  most: Windows,
  found: ReadonlyMap<string, Found>,
): { lines: string[]; atRest: number } => {
  const resting = new Map([...most].filter(([key, { events }]) => least.get(key)?.events === events))
  const moving = [...most].filter(([key]) => !resting.has(key))
  const between = moving.flatMap(([key, { events }]) => {
    const from = least.get(key)?.events ?? 0
    const told = found.get(key)?.events ?? 0
    return told < from || told > events ? [`${key}: ${told} events, and not ${from} to ${events}`] : []
  })
  const rest = new Map([...found].filter(([key]) => !most.has(key) || resting.has(key)))
  return { lines: [...differences(resting, rest), ...between], atRest: resting.size }
}
