import { expect, test } from 'vitest'
import { changedSessions, dropSession, foldSessionRow, newSessionTable, placeSession } from './session-table.ts'
import { sessionRow } from './testing.ts'

const row = (session: string, end: number, revision: number) => sessionRow(session, [0, end], ['DE'], 1, { revision })

test('of the rows of one series that with the highest revision holds, in whichever order they come', () => {
  const table = newSessionTable(row('s', 1, 1), 1)
  const fold = (end: number, revision: number) =>
    foldSessionRow(table, row('s', end, revision), { partition: 0, checkpoint: revision, at: revision }, 0)
  fold(30, 3)
  fold(10, 1)
  const session = fold(20, 2)
  expect([session.end, session.revision, session.changed, session.counted]).toEqual([30, 3, 3, 1])
})

test('sessions are told by their last change, each once, however often and in which order they change', () => {
  const table = newSessionTable(row('s', 1, 1), 2)
  const change = (session: string, partition: number, checkpoint: number): void => {
    const next = row(session, checkpoint, checkpoint)
    const endBefore = [...table.sessions.values()].find(({ id }) => id === session)?.end
    placeSession(table, foldSessionRow(table, next, { partition, checkpoint, at: 0 }, checkpoint), endBefore)
  }
  for (const [checkpoint, session] of ['a', 'b', 'c', 'b', 'a', 'a'].entries()) change(session, 0, checkpoint + 1)
  change('other', 1, 1)
  const since = (...positions: number[]): string[] => [...changedSessions(table, positions)].map(({ id }) => id)
  expect(since(0, 0)).toEqual(['a', 'b', 'c', 'other'])
  expect(since(3, 1)).toEqual(['a', 'b'])
  expect(since(5, 0)).toEqual(['a', 'other'])
  expect(since(6, 1)).toEqual([])
})

test('a session is found by the end that it has now, and by none when it has left', () => {
  const table = newSessionTable(row('s', 1, 1), 1)
  const change = (revision: number, end: number, endBefore?: number) => {
    const origin = { partition: 0, checkpoint: revision, at: 0 }
    const session = foldSessionRow(table, row('s', end, revision), origin, 1)
    placeSession(table, session, endBefore)
    return session
  }
  const endingAt = (end: number): string[] => [...table.byEnd.around(end, end)].map(({ id }) => id)
  change(1, 10_000)
  const session = change(2, 20_000, 10_000)
  expect([endingAt(10_000), endingAt(20_000)]).toEqual([[], ['s']])
  const [[key]] = table.sessions
  dropSession(table, key, session)
  expect([endingAt(20_000), [...changedSessions(table, [0])], table.forgotten]).toEqual([[], [], [2]])
})
