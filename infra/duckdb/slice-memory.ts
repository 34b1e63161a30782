import { sliceKey } from '#schema/correction-list.ts'
import { type MeasureState, mergeJson, sketchSize, stateFromJson, stateToJson } from '#schema/measures.ts'
import type { OlapRow } from '#schema/olap.ts'
import type { MergedDelta } from './merge-deltas.ts'

/** What a correction asks of a slice: its value and revision. Measures whose value is no number have no state here. */
export type StoredSlice = Omit<OlapRow, 'buckets' | 'items' | 'error'>

interface Slice {
  revision: number
  state: MeasureState
}

/** What a slice takes beside the numbers of its sketch, about. */
const SLICE_SIZE = 64
/** Of `most`: what is left when there was too much. */
const KEPT_SHARE = 0.75

/**
 * What a table holds of its newest slices, merged: all of those that start after `floor`, and nothing of others. So a
 * slice after the floor that is not here is not stored.
 */
export class SliceMemory {
  private readonly starts = new Map<number, Map<string, Slice>>()
  private readonly most: number
  private size = 0
  private floor: number

  /** `floor`: start of the newest slice that the table holds and is not about to be added. `most`: in numbers, about. */
  constructor(floor: number, most: number) {
    this.floor = floor
    this.most = most
  }

  /** Whether it knows all of a slice that starts then. */
  knows(start: number): boolean {
    return start > this.floor
  }

  /** What is stored of a slice that it knows; undefined when nothing is. */
  find(row: StoredSlice | MergedDelta): StoredSlice | undefined {
    const slice = this.starts.get(row.start)?.get(sliceKey(row))
    if (!slice) return undefined
    const { tenant, metric, version, size, start, dims } = row
    const key = { tenant, metric, version, size, start, dims }
    return { ...key, events: 0, corrections: 0, ...stateToJson(slice.state), revision: slice.revision }
  }

  /** Takes note of a row that was stored. */
  add(row: MergedDelta): void {
    if (!this.knows(row.start)) return
    const slices = this.starts.get(row.start) ?? new Map<string, Slice>()
    this.starts.set(row.start, slices)
    const key = sliceKey(row)
    const known = slices.get(key)
    const { buckets: _, items: __, error: ___, ...counted } = row
    const revisions = row.revisions ?? 1
    if (known) {
      this.size -= sketchSize(known.state)
      mergeJson(known.state, counted)
      known.revision += revisions
      this.size += sketchSize(known.state)
    } else {
      const state = stateFromJson(counted)
      slices.set(key, { revision: revisions, state })
      this.size += SLICE_SIZE + sketchSize(state)
    }
    if (this.size > this.most) this.forgetOldest()
  }

  private forgetOldest(): void {
    for (const start of [...this.starts.keys()].sort((a, b) => a - b)) {
      if (this.size <= this.most * KEPT_SHARE) return
      for (const { state } of this.starts.get(start)!.values()) this.size -= SLICE_SIZE + sketchSize(state)
      this.starts.delete(start)
      this.floor = start
    }
  }
}
