import type { CheckpointDelta, OlapReader } from '#gateway/ports.ts'
import type { AggregateRow, SessionRow } from '#schema/checkpoint.ts'
import { mergeCorrections } from '#schema/corrections.ts'
import type { OlapRow, SessionsQuery } from '#schema/olap.ts'
import { newestSessionRows, sessionKey } from '#schema/session-rows.ts'

/** An OLAP store that holds the checkpoints up to `positions`, which the test moves. */
export const fakeOlap = (history: readonly CheckpointDelta[][]) => {
  const state = { positions: history.map(() => 0), away: false, questions: 0 }
  const rowsOf = (partition: number): AggregateRow[] =>
    history[partition].slice(0, state.positions[partition]).flatMap(({ rows }) => rows)
  const sessionsOf = ({ tenant, metric, version, gap }: Omit<SessionsQuery, 'from' | 'to'>): SessionRow[] => {
    state.questions++
    if (state.away) throw new Error('the store is away')
    const rows = history.flatMap((deltas, p) => deltas.slice(0, state.positions[p]).flatMap(({ sessions }) => sessions))
    return newestSessionRows(rows).filter(
      (one) =>
        one.tenant === tenant &&
        one.metric === metric &&
        one.version === version &&
        one.gap === gap &&
        one.retracted === undefined,
    )
  }
  const reader: Pick<OlapReader, 'aggregates' | 'sessions' | 'newestSessions'> = {
    async sessions({ from, to, ...table }) {
      const rows = sessionsOf(table).filter(({ start }) => start >= from && start < to)
      return { rows, positions: [...state.positions] }
    },
    async newestSessions({ before, count, ...table }) {
      const older = sessionsOf(table).filter(({ start }) => start < before)
      const keys = [...new Set(older.sort((a, b) => b.start - a.start).map(sessionKey))].slice(0, count)
      return { rows: older.filter((one) => keys.includes(sessionKey(one))), positions: [...state.positions] }
    },
    async aggregates({ tenant, metric, version, size, from, to }) {
      state.questions++
      if (state.away) throw new Error('the store is away')
      const rows = history.flatMap((_, partition) => rowsOf(partition))
      const asked = rows.filter(
        (one) => one.tenant === tenant && one.metric === metric && one.version === version && one.size === size,
      )
      const inside = asked.filter((one) => one.start >= from && one.start < to)
      const totals = new Map<string, OlapRow>()
      for (const one of inside) {
        const key = JSON.stringify([one.start, one.dims])
        const total = totals.get(key)
        if (!total) totals.set(key, { ...one, revision: 1 })
        else {
          total.events += one.events
          Object.assign(total, mergeCorrections(total, one))
          total.n = (total.n ?? 0) + (one.n ?? 0)
          total.revision++
        }
      }
      return { rows: [...totals.values()], positions: [...state.positions] }
    },
  }
  return {
    state,
    reader: reader as OlapReader,
    catchUp: (): void => {
      state.positions = history.map((deltas) => deltas.length)
    },
  }
}
