import {
  DuckDBArrayValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
} from '@duckdb/node-api'
import { formatTime } from '#schema/time.ts'

const EARLIEST_MS = -62_167_219_200_000
const LATEST_MS = 253_402_300_799_999

/** RFC 3339 where it can say it, else (infinity, years beyond 9999) DuckDB's own text. */
const time = (ms: number, value: object): string =>
  ms >= EARLIEST_MS && ms <= LATEST_MS ? formatTime(Math.floor(ms)) : String(value)

/** A DuckDB value as JSON: integers beyond 2^53 and what JSON has no number for as text, times as RFC 3339 in UTC. */
export const toReadable = (value: unknown): unknown => {
  switch (typeof value) {
    case 'bigint':
      return BigInt(Number(value)) === value && Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'object':
      return value === null ? null : fromObject(value)
    default:
      return value
  }
}

const fromObject = (value: object): unknown => {
  if (value instanceof DuckDBTimestampValue || value instanceof DuckDBTimestampTZValue) {
    return time(Number(value.micros) / 1e3, value)
  }
  if (value instanceof DuckDBTimestampMillisecondsValue) return time(Number(value.millis), value)
  if (value instanceof DuckDBTimestampSecondsValue) return time(Number(value.seconds) * 1e3, value)
  if (value instanceof DuckDBTimestampNanosecondsValue) return time(Number(value.nanos) / 1e6, value)
  if (value instanceof DuckDBDecimalValue) return value.toDouble()
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toReadable)
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([key, entry]) => [key, toReadable(entry)]))
  }
  if (value instanceof DuckDBMapValue) {
    return value.entries.map((entry) => ({ key: toReadable(entry.key), value: toReadable(entry.value) }))
  }
  return String(value)
}
