import type { TenantTime } from '#schema/status.ts'
import type { Positions } from './positions.ts'
import { mergeRanges, type Range } from './ranges.ts'

/** What a subscriber has been sent: enough to go on from any gateway. */
export interface CursorState {
  deployment: string
  /** Operation.key of the subscription. */
  operation: string
  /** Of the metric's definition. */
  version: number
  /** Everything that was counted up to here is in `positions`, milliseconds since 1970. */
  asOf: number
  positions: Positions
  /** The clocks that statuses were derived from. */
  time: TenantTime
  /** Windows that changed and were not sent yet, because the OLAP store did not have the change. */
  pending: Range[]
}

/** The same as it stands in JSON. `l`: live clock where it is not `w`, null for none; ranges flat: from, to, … */
interface CursorJson {
  d: string
  q: string
  v: number
  a: number
  p: number[]
  w: number | null
  l?: number | null
  o?: number[]
  x?: number[]
}

const MAX_RANGES = 100

/** FNV-1a, 32 bits: tells operations apart that were confused, no more. */
const digest = (text: string): string => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(36)
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null)

/** `stepMs`: from the start of one window to that of the next, at most. */
export const encodeCursor = (state: CursorState, stepMs: number): string => {
  const { watermark, live, others } = state.time
  const pending = mergeRanges(state.pending, stepMs, MAX_RANGES)
  const json: CursorJson = {
    d: state.deployment,
    q: digest(state.operation),
    v: state.version,
    a: state.asOf,
    p: [...state.positions],
    w: watermark,
  }
  if (live !== watermark) json.l = finite(live)
  if (others.length > 0) json.o = others.flatMap(({ low, high }) => [low, high])
  if (pending.length > 0) json.x = pending.flatMap(({ from, to }) => [from, to])
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value)
const isList = (value: unknown): value is number[] => Array.isArray(value) && value.every(isInteger)
const isPairs = (value: unknown): value is number[] =>
  isList(value) && value.length % 2 === 0 && value.length <= 2 * MAX_RANGES

const isCursorJson = (value: unknown): value is CursorJson => {
  if (typeof value !== 'object' || value === null) return false
  const { d, q, v, a, p, w, l = null, o = [], x = [] } = value as Record<string, unknown>
  const numbers = isInteger(v) && isInteger(a) && isList(p) && p.every((position) => position >= 0)
  const clocks = (w === null || isInteger(w)) && (l === null || isInteger(l)) && isPairs(o) && isPairs(x)
  return typeof d === 'string' && typeof q === 'string' && numbers && clocks
}

const pairs = (list: number[]): [number, number][] =>
  Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]])

/** Null for anything that encodeCursor did not make. `isOf` tells whether it belongs to an operation. */
export const decodeCursor = (
  text: string,
): (Omit<CursorState, 'operation'> & { isOf(operation: string): boolean }) | null => {
  let json: unknown
  try {
    json = JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return null
  }
  if (!isCursorJson(json)) return null
  const { d, q, v, a, p, w, o = [], x = [] } = json
  const live = json.l === undefined ? w : json.l
  const idle = w === null && o.length === 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  return {
    deployment: d,
    isOf: (operation) => digest(operation) === q,
    version: v,
    asOf: a,
    positions: p,
    time: { watermark: w, live: live ?? idle, others: pairs(o).map(([low, high]) => ({ low, high })) },
    pending: pairs(x).map(([from, to]) => ({ from, to })),
  }
}
