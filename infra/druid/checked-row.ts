import { isSessionRow, type OutputRow } from '#schema/checkpoint.ts'
import { RANKS, REGISTERS } from '#schema/measures/hyperloglog.ts'

/** Last millisecond of the year 9999: what every store can hold. */
const LAST_TIME = 253_402_300_799_999
const MOST_BUCKET = 10_000
const MOST_RANK = 40
/** So many of them in one row still count exactly in a sketch. */
const MOST_BUCKET_WEIGHT = 2 ** 38

const isText = (value: unknown): boolean => typeof value === 'string'
const isWhole = (value: unknown): boolean => Number.isSafeInteger(value)
const isTime = (value: unknown): boolean => isWhole(value) && (value as number) >= 0 && (value as number) <= LAST_TIME
const isListOf =
  (isItem: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(isItem)
const isPairOf =
  (isFirst: (value: unknown) => boolean, isSecond: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.length === 2 && isFirst(value[0]) && isSecond(value[1])
const within =
  (least: number, most: number) =>
  (value: unknown): boolean =>
    isWhole(value) && (value as number) >= least && (value as number) <= most
const optional =
  (isGood: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || isGood(value)

const isRegister = (value: unknown): boolean =>
  within(1, REGISTERS * RANKS - 1)(value) && within(1, MOST_RANK)((value as number) % RANKS)
const isBucketWeight = (value: unknown): boolean =>
  Number.isFinite(value) && Math.abs(value as number) <= MOST_BUCKET_WEIGHT

type Checks = Record<string, (value: unknown) => boolean>

const COMMON: Checks = {
  tenant: isText,
  metric: isText,
  version: isWhole,
  start: isTime,
  dims: isListOf((value) => value === null || isText(value)),
  events: isWhole,
  corrections: isWhole,
  n: optional(Number.isFinite),
  shed: optional(Number.isFinite),
  sum: optional(Number.isFinite),
  comp: optional(Number.isFinite),
  min: optional(Number.isFinite),
  max: optional(Number.isFinite),
  members: optional(isListOf(within(0, Number.MAX_SAFE_INTEGER))),
  registers: optional(isListOf(isRegister)),
  buckets: optional(isListOf(isPairOf(within(-MOST_BUCKET, MOST_BUCKET), isBucketWeight))),
  items: optional(isListOf(isPairOf(isText, Number.isFinite))),
  error: optional(Number.isFinite),
}

const SLICE: Checks = { ...COMMON, size: within(1, LAST_TIME), correctedAt: optional(isTime) }

const SESSION: Checks = {
  ...COMMON,
  gap: within(1, LAST_TIME),
  source: isText,
  session: isText,
  end: isTime,
  revision: isWhole,
  retracted: optional((value) => typeof value === 'boolean'),
  ended: optional(isWhole),
}

/**
 * A row as the processor writes it, or the name of the first field that is none. Every value is looked at: one that a
 * Druid aggregator cannot take would fail its task for ever, and with it everything behind it.
 */
export const checkedRow = (value: unknown): OutputRow | string => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'row'
  const row = value as OutputRow
  const bad = Object.entries(isSessionRow(row) ? SESSION : SLICE).find(
    ([field, isGood]) => !isGood((value as Record<string, unknown>)[field]),
  )
  return bad ? bad[0] : row
}
