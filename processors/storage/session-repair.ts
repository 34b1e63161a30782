import type { SegmentSession, SessionRow } from '#schema/checkpoint.ts'

/** Whose sessions a row is of: those of one of these never share a moment. */
const nameOf = (row: SessionRow): string =>
  JSON.stringify([row.tenant, row.metric, row.version, row.gap, row.source, row.session])

/** By name and start: the last event. A session ends at the latest end of its rows. */
const lastEvents = (rows: readonly SessionRow[]): Map<string, Map<number, number>> => {
  const names = new Map<string, Map<number, number>>()
  for (const row of rows) {
    if (row.retracted) continue
    const starts = names.get(nameOf(row)) ?? new Map<number, number>()
    names.set(nameOf(row), starts)
    starts.set(row.start, Math.max(starts.get(row.start) ?? row.start, row.end - row.gap))
  }
  return names
}

/** What a part writes where sessions were cut. */
export interface Repair {
  /** One row each of the sessions that the store is to forget. */
  replaced: SessionRow[]
  sessions: SessionRow[]
}

/**
 * Makes sessions true again behind a hole, where the store has folded on without the events in it. `held`: those that it
 * has as open; of these go all that share a moment with a session of the processor's (`live`), and its own rows come
 * instead: those up to this checkpoint, as later ones are read later. Revisions say nothing here, both counted on from
 * before the hole. A session that was over before the processor's rows are read again stays as it was cut.
 */
export const repairSessions = (
  held: readonly SessionRow[],
  live: readonly SegmentSession[],
  checkpoint: number,
): Repair => {
  const [stored, known] = [lastEvents(held), lastEvents(live)]
  const replaced = held.filter((row) => {
    const last = stored.get(nameOf(row))?.get(row.start) ?? row.start
    const others = known.get(nameOf(row)) ?? new Map<number, number>()
    return [...others].some(([otherStart, otherLast]) => otherStart <= last && row.start <= otherLast)
  })
  const sessions = live
    .filter(({ changed }) => changed <= checkpoint)
    .map(({ changed: _, changedAt: __, ...row }): SessionRow => row)
  return { replaced, sessions }
}
