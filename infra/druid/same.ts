import type { Json, JsonObject } from './specs.ts'

const SECONDS = { D: 86_400, H: 3_600, M: 60, S: 1 }

/** Seconds of an ISO 8601 duration of days and less; null for any other text. Druid turns PT1H into PT3600S. */
const durationOf = (text: string): number | null => {
  const [whole, days, hours, minutes, seconds] =
    /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text) ?? []
  if (whole === undefined) return null
  const parts = [Number(days ?? 0) * SECONDS.D, Number(hours ?? 0) * SECONDS.H, Number(minutes ?? 0) * SECONDS.M]
  return parts.reduce((sum, part) => sum + part, Number(seconds ?? 0))
}

const isSameText = (wanted: string, found: string): boolean => {
  if (wanted === found) return true
  const duration = durationOf(wanted)
  return duration !== null && duration === durationOf(found)
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A column of strings by its name, or a granularity by its own. */
const isSpelledOut = ({ type, name, ...rest }: JsonObject, wanted: string): boolean =>
  (type === 'string' && name === wanted) ||
  (name === undefined && Object.keys(rest).length === 0 && type === wanted.toLowerCase())

/**
 * Whether what Druid holds says what is wanted. It answers with its defaults beside it and with some values written
 * otherwise: columns of strings and granularities as objects, durations in seconds.
 */
export const holds = (found: Json | undefined, wanted: Json): boolean => {
  if (typeof wanted === 'string') {
    if (isObject(found)) return isSpelledOut(found, wanted)
    return typeof found === 'string' && isSameText(wanted, found)
  }
  if (Array.isArray(wanted)) {
    return Array.isArray(found) && found.length === wanted.length && wanted.every((item, i) => holds(found[i], item))
  }
  if (isObject(wanted)) {
    return isObject(found) && Object.entries(wanted).every(([name, value]) => holds(found[name], value))
  }
  return found === wanted
}
