import type { Changes } from './changes.ts'
import type { Moment } from './live-view.ts'
import type { Operation } from './operation.ts'
import type { Pending } from './pending.ts'
import type { Point } from './points.ts'
import type { Positions } from './positions.ts'
import type { Range } from './ranges.ts'
import { createSessionReading } from './session-reading.ts'
import { createSliceReading } from './slice-reading.ts'
import type { ReadOptions } from './snapshot.ts'

/** How long a read may wait for the store. */
export interface Limits {
  deadlineMs: number
  signal?: AbortSignal
}

/** Points of one moment. `asOf`: everything that was counted up to here is in them, milliseconds since 1970. */
export interface Answer {
  points: Point[]
  moment: Moment
  asOf: number
  /** The store had a part in it: the moment does not tell all that it depends on. */
  fromStore?: true
}

export interface Newest extends Answer {
  /** Windows that came from the store, and what was in it. */
  stored?: { starts: number[]; positions: Positions }
}

/** One operation, ready to be read. Each kind of operation has its own; whoever reads does not see the difference. */
export interface Reading {
  readonly operation: Operation
  /**
   * Windows whose start lies in [from, to), in order of time: each either from the live view or from the store. Points
   * beyond `most` may be left out.
   */
  range(range: Range, most: number, limits: Limits): Promise<Answer>
  /** The newest `last` windows that have data, in order of time. */
  newest(last: number, limits: Limits): Promise<Newest>
  /** What a reader that has seen all up to `since` has not seen: points that changed, or whose status did. */
  changesSince(since: Moment, now: Moment): Changes
  /** Changes that one subscriber has to get from the store. `onPoints`: take() may have something. */
  pending(onPoints: () => void): Pending
  /** Whether a window may have changed after `since` and left the live view, unseen, since. */
  isTooOld(since: Pick<Answer, 'moment' | 'asOf'>): boolean
  /** Where a cursor names more windows than it has room for: the step from one window to the next, milliseconds. */
  readonly stepMs: number
}

/** The place where kinds of operations part. */
export const createReading = (operation: Operation, options: ReadOptions): Reading => {
  switch (operation.kind) {
    case 'SLICES':
      return createSliceReading(operation, options)
    case 'SESSIONS':
      return createSessionReading(operation, options)
  }
}
