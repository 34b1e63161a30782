/** To make a checkpoint takes at most one in so many parts of the time, as far as the bound below allows. */
const PARTS = 15
/** Points are pushed when they are committed: no checkpoint waits for longer than so many times what was asked for. */
const MOST = 2

/**
 * Time from one checkpoint to the next, milliseconds. A checkpoint writes a row for each series that has changed, and
 * the longer it waits the more events share a row: who has many rows to write gains most by it, and so does everybody
 * who reads them. `builtMs`: what it took to make the last one.
 */
export const checkpointInterval = (checkpointMs: number, builtMs: number): number =>
  Math.min(Math.max(checkpointMs, builtMs * PARTS), checkpointMs * MOST)
