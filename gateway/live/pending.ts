import { seriesKey } from '#schema/metric.ts'
import type { TenantTime } from '#schema/status.ts'
import type { Cells } from './cells.ts'
import type { StoredChange } from './changes.ts'
import type { SliceOperation } from './operation.ts'
import { type Point, windowPoints } from './points.ts'
import { covers, noPositions, type Positions, raise } from './positions.ts'
import { mergeRanges, type Range } from './ranges.ts'
import type { Slice } from './slices.ts'
import type { StoredRange, StoredWindows } from './stored.ts'

interface PendingOptions {
  operation: SliceOperation
  cellsOf: (slice: Slice) => Cells
  stored: StoredWindows
  time: () => TenantTime
  horizonMs: number
  /** A read has ended: take() may have something. */
  onPoints: () => void
}

/** Ranges with up to so many windows between them are read as one. */
const GAP_WINDOWS = 10
/** How long one read waits for the store before it is asked for again, with what has come since. */
const READ_MS = 5_000

/**
 * Changes to windows that have left the live view, of one subscription. They are read from the OLAP store when it has
 * them, for as long as that takes; until they were taken, `ranges` names them, so that a cursor can too.
 */
export const createPending = (options: PendingOptions) => {
  const { operation, cellsOf, stored, time, horizonMs, onPoints } = options
  const { slideMs } = operation
  const windows = new Map<number, StoredChange>()
  let backlog: { range: Range; need: Positions }[] = []
  /** By window start: what had been in the store when the window was sent. */
  const sent = new Map<number, Positions>()
  let ready: { points: Point[]; settle: () => void }[] = []
  let reading = false

  const asRange = (start: number): Range => ({ from: start, to: start + slideMs })
  const ranges = (): Range[] => [...backlog.map(({ range }) => range), ...[...windows.keys()].map(asRange)]

  const pointsOf = (
    { slices, starts }: StoredRange,
    asked: ReadonlyMap<number, StoredChange>,
    rest: Range[],
  ): Point[] => {
    const isBacklog = (start: number): boolean => rest.some(({ from, to }) => start >= from && start < to)
    const wanted = starts.filter((start) => asked.has(start) || isBacklog(start))
    return windowPoints(operation, wanted, slices, cellsOf, { time: time(), horizonMs }).filter((point) => {
      const groups = asked.get(point.windowStart)?.groups
      return !groups || groups.has(seriesKey(point.dimensions)) || isBacklog(point.windowStart)
    })
  }

  const readRange = async (range: Range, signal: AbortSignal): Promise<void> => {
    const asked = new Map([...windows].filter(([start]) => start >= range.from && start < range.to))
    const rest = backlog.filter(({ range: { from, to } }) => from >= range.from && to <= range.to)
    const need = noPositions(0)
    for (const one of [...asked.values(), ...rest]) {
      while (need.length < one.need.length) need.push(0)
      raise(need, one.need)
    }
    const answer = await stored.read(operation, range, need, { deadlineMs: READ_MS, signal })
    if (signal.aborted) return
    const settle = (): void => {
      backlog = backlog.filter((one) => !rest.includes(one))
      for (const [start, change] of asked) {
        sent.set(start, answer.positions)
        if (windows.get(start) === change) windows.delete(start)
      }
    }
    ready.push({
      points: pointsOf(
        answer,
        asked,
        rest.map(({ range: one }) => one),
      ),
      settle,
    })
    onPoints()
  }

  return {
    ranges,
    /** From a cursor: which of the windows in them changed is not known, so all are sent. */
    addBacklog(more: Range[], need: Positions): void {
      for (const range of more) backlog.push({ range, need })
    },
    /** These windows were sent as the store has them at `positions`. */
    noteSent(starts: number[], positions: Positions): void {
      for (const start of starts) sent.set(start, positions)
    },
    add(changes: ReadonlyMap<number, StoredChange>, positions: Positions): void {
      for (const [start, seen] of sent) if (covers(positions, seen) && !changes.has(start)) sent.delete(start)
      for (const [start, change] of changes) {
        const seen = sent.get(start)
        if (change.groups && seen && covers(seen, change.need)) continue
        const before = windows.get(start)
        const groups = !before ? change.groups : before.groups && change.groups && before.groups.union(change.groups)
        windows.set(start, { need: change.need, groups })
      }
    },
    /** Reads what there is, unless that is under way or was not taken yet. Never fails: it tries again. */
    async read(signal: AbortSignal): Promise<void> {
      if (reading || ready.length > 0 || (windows.size === 0 && backlog.length === 0)) return
      reading = true
      try {
        for (const range of mergeRanges(ranges(), GAP_WINDOWS * slideMs)) await readRange(range, signal)
      } catch {
        // The store is away or behind: the changes stay pending, and so they stand in the cursor.
      } finally {
        reading = false
        onPoints()
      }
    },
    /** Points that have come since the last call; they count as sent. */
    take(): Point[] {
      const taken = ready
      ready = []
      for (const { settle } of taken) settle()
      return taken.flatMap(({ points }) => points)
    },
  }
}

export type Pending = ReturnType<typeof createPending>
