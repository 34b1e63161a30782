import type { OlapReader, WallClock } from '#gateway/ports.ts'
import { EARLIEST_TIME_MS } from '#schema/limits.ts'
import type { OlapRow, Positions as StoredPositions } from '#schema/olap.ts'
import type { SliceOperation } from './operation.ts'
import type { Positions } from './positions.ts'
import type { Range } from './ranges.ts'
import { foldRow, newSlice, type Slice } from './slices.ts'
import { waitForStore } from './wait-for-store.ts'
import { inOrder, slicesFor, startAfter, startBefore, startsOf } from './windows.ts'

/** Slices as the OLAP store has them (without a memory of what changed when), and the checkpoints that are in them. */
interface StoredSlices {
  /** In order of time. */
  slices: readonly Slice[]
  positions: StoredPositions
}

export interface StoredRange extends StoredSlices {
  /** Windows that have data, by their starts, in order of time. */
  starts: number[]
}

const toSlices = (rows: OlapRow[]): Slice[] => {
  const slices = new Map<number, Slice>()
  for (const row of rows) {
    let slice = slices.get(row.start)
    if (!slice) {
      slice = newSlice(row.start, 0)
      slices.set(row.start, slice)
    }
    foldRow(slice, row, { partition: 0, checkpoint: 0, at: 0, revision: row.revision })
  }
  return inOrder(slices.values())
}

const startsIn = (operation: SliceOperation, { from, to }: Range, slices: readonly Slice[]): number[] =>
  startsOf(operation, slices).filter((start) => start >= from && start < to)

/** Windows that have left the live view, asked of the OLAP store. Equal questions under way are asked once. */
export const createStoredWindows = ({ olap, clock }: { olap: OlapReader; clock: WallClock }) => {
  const underWay = new Map<string, Promise<StoredSlices>>()

  const ask = (operation: SliceOperation, { from, to }: Range): Promise<StoredSlices> => {
    const { tenant, metric, version, sliceMs: size } = operation
    const key = [tenant, metric, version, size, from, to].join(' ')
    const known = underWay.get(key)
    if (known) return known
    const answer = olap
      .aggregates({ tenant, metric, version, size, from, to, measure: operation.measure.kind })
      .then(({ rows, positions }) => ({ slices: toSlices(rows), positions }))
      .finally(() => underWay.delete(key))
    underWay.set(key, answer)
    return answer
  }

  /**
   * Windows that start in `windows`, once the store holds at least `need`. Throws UNAVAILABLE when it does not by the
   * deadline.
   */
  const read = async (
    operation: SliceOperation,
    windows: Range,
    need: Positions,
    limits: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<StoredRange> => {
    const question = () => ask(operation, slicesFor(operation, windows.from, windows.to))
    const stored = await waitForStore(question, need, limits, clock)
    return { ...stored, starts: startsIn(operation, windows, stored.slices) }
  }

  return {
    read,

    /** The newest `count` windows that start before `before`, as far as there are so many. */
    async newest(
      operation: SliceOperation,
      before: number,
      count: number,
      need: Positions,
      limits: { deadlineMs: number; signal?: AbortSignal },
    ): Promise<StoredRange> {
      const { slideMs } = operation
      const earliest = startBefore(operation, EARLIEST_TIME_MS - operation.sizeMs)
      for (let span = Math.max(count * slideMs, 3_600_000); ; span *= 4) {
        const from = Math.max(startAfter(operation, before - span), earliest)
        const stored = await read(operation, { from, to: before }, need, limits)
        if (stored.starts.length >= count || from <= earliest) return stored
      }
    },
  }
}

export type StoredWindows = ReturnType<typeof createStoredWindows>
