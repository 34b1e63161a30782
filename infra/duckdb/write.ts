import type { DuckDBConnection } from '@duckdb/node-api'
import type { Logger, OlapPart } from '#processors/ports.ts'
import type { AggregateRow, DefinitionState } from '#schema/checkpoint.ts'
import { insertAggregates } from './aggregate-rows.ts'
import { correctionsIn, insertCorrections } from './correction-rows.ts'
import { applyDefinitions } from './definition-rows.ts'
import { keepFoldState } from './fold-state.ts'
import { insertHoles } from './holes.ts'
import { insertLate, lateRows, type OtherRow } from './late-rows.ts'
import { countDuplicates, insertRepeated, insertSettled, type RepeatedRow, repeatedRows } from './ledger-rows.ts'
import { insertMarkers } from './markers.ts'
import { type MergedDelta, mergeDeltas } from './merge-deltas.ts'
import { movePositions, notStored, type StoredPositions } from './positions.ts'
import { insertLines, insertRaw, type RawLine, rawLines } from './raw-rows.ts'
import { findRefused, isRefusal, type Refused, without } from './refused.ts'
import { forgetSessions, insertSessions, type PlacedSession } from './session-rows.ts'
import type { Spool } from './spool.ts'
import type { StoredSlices } from './stored-slices.ts'
import { transaction } from './transaction.ts'

interface WriteDependencies {
  connection: DuckDBConnection
  spool: Spool
  slices: StoredSlices
  positions: StoredPositions
  logger: Logger
  now: () => number
}

/** Copies by tenant: those that processors found, and late ones that are stored. */
const countCopies = (parts: readonly OlapPart[], late: readonly RepeatedRow[]): Map<string, number> => {
  const counts = new Map<string, number>()
  const add = (tenant: string, count: number): void => void counts.set(tenant, (counts.get(tenant) ?? 0) + count)
  for (const { duplicates } of parts) for (const [tenant, count] of Object.entries(duplicates)) add(tenant, count)
  for (const { tenant } of late) add(tenant, 1)
  return counts
}

/** What is inserted besides late events; each row can be left out by itself. */
interface Rows {
  /** Null: the events of all parts as they are. */
  lines: RawLine[] | null
  aggregates: AggregateRow[]
  sessions: PlacedSession[]
  definitions: Placed<DefinitionState>[]
}

interface Placed<T> {
  partition: number
  /** Last of the log that its checkpoint settled. */
  sequence: number
  value: T
}

const NOTHING_REFUSED = { lines: [], others: [] }

const placed = <T>(parts: readonly OlapPart[], valuesOf: (part: OlapPart) => readonly T[]): Placed<T>[] =>
  parts.flatMap((part) =>
    valuesOf(part).map((value) => ({ partition: part.partition, sequence: part.sequence, value })),
  )

const rowsOf = (parts: readonly OlapPart[]): Rows => ({
  lines: null,
  aggregates: parts.flatMap(({ aggregates }) => aggregates),
  sessions: placed(parts, ({ sessions }) => sessions),
  definitions: placed(parts, ({ definitions }) => definitions),
})

const replacedIn = (parts: readonly OlapPart[]): PlacedSession[] =>
  parts.flatMap(({ partition, replaced }) => replaced.map((value) => ({ partition, value })))

const valuesOf = <T>(rows: readonly { value: T }[]): T[] => rows.map(({ value }) => value)

const definitionsOf = (rows: readonly Placed<DefinitionState>[]): Pick<OlapPart, 'partition' | 'definitions'>[] =>
  rows.map(({ partition, value }) => ({ partition, definitions: [value] }))

const insertAll = (
  { connection, spool, slices, now }: WriteDependencies,
  parts: readonly OlapPart[],
  rows: Rows,
  aggregates: MergedDelta[],
  refused: Parameters<typeof lateRows>[1],
): Promise<void> =>
  transaction(connection, async () => {
    const at = now()
    const batch = {
      aggregates,
      sessions: valuesOf(rows.sessions),
      definitions: valuesOf(rows.definitions),
    }
    await insertCorrections(connection, spool, await correctionsIn(connection, spool, slices, batch), at)
    await (rows.lines ? insertLines(connection, spool, rows.lines) : insertRaw(connection, spool, parts))
    await insertAggregates(connection, spool, aggregates, at)
    await forgetSessions(connection, spool, replacedIn(parts))
    await insertSessions(connection, spool, rows.sessions, at)
    const lateCopies = await insertLate(connection, spool, lateRows(parts, refused), at)
    await insertRepeated(connection, spool, [...parts.flatMap(repeatedRows), ...lateCopies])
    await insertSettled(connection, spool, parts)
    await countDuplicates(connection, spool, countCopies(parts, lateCopies))
    await applyDefinitions(connection, definitionsOf(rows.definitions))
    await insertMarkers(connection, spool, parts, at)
    await keepFoldState(connection, spool, parts)
    await insertHoles(connection, parts, at)
    await movePositions(connection, spool, parts)
  })

const writeOnce = async (
  dependencies: WriteDependencies,
  parts: readonly OlapPart[],
  rows: Rows,
  refused: Parameters<typeof lateRows>[1],
): Promise<void> => {
  const aggregates = mergeDeltas(rows.aggregates)
  try {
    await insertAll(dependencies, parts, rows, aggregates, refused)
  } catch (error) {
    // A commit may have failed before or after it was durable.
    dependencies.slices.forget()
    dependencies.positions.forget()
    throw error
  }
  dependencies.slices.added(aggregates)
  dependencies.positions.moved(parts)
}

const described = <T extends object>(
  refused: readonly Refused<Placed<T>>[],
  what: (value: T) => string,
): Refused<OtherRow>[] => refused.map(({ item, reason }) => ({ item: { ...item, what: what(item.value) }, reason }))

/** Writes without what the store refuses, which becomes dead letters. Throws `cause` when that is not what is wrong. */
const writeWithout = async (
  dependencies: WriteDependencies,
  parts: readonly OlapPart[],
  cause: unknown,
): Promise<void> => {
  const { connection, spool, logger, now } = dependencies
  const all = rawLines(parts)
  const lines = await findRefused(connection, all, (some) => insertLines(connection, spool, some))
  const changes = placed(parts, (part) => part.aggregates)
  const sessionRows = placed(parts, (part) => part.sessions)
  const aggregates = await findRefused(connection, changes, (some) =>
    insertAggregates(connection, spool, mergeDeltas(valuesOf(some)), now()),
  )
  const sessions = await findRefused(connection, sessionRows, (some) => insertSessions(connection, spool, some, now()))
  const defined = placed(parts, (part) => part.definitions)
  const definitions = await findRefused(connection, defined, (some) =>
    applyDefinitions(connection, definitionsOf(some)),
  )
  const others = [
    ...described(aggregates, ({ metric, tenant }) => `a change of ${metric} of ${tenant}`),
    ...described(sessions, ({ metric, tenant }) => `a session of ${metric} of ${tenant}`),
    ...described(definitions, ({ definition, tenant }) => `the definition of ${definition.name} of ${tenant}`),
  ]
  if (lines.length + others.length === 0) throw cause
  for (const { item, reason } of lines) {
    const { partition, sequence, index } = item
    logger.error({ partition, sequence, index, reason }, 'the store refused an event: it is a dead letter now')
  }
  for (const { item, reason } of others) {
    const { partition, sequence, what } = item
    logger.error({ partition, sequence, reason }, `the store refused ${what}: it is a dead letter now`)
  }
  const good = {
    lines: without(all, lines),
    aggregates: valuesOf(without(changes, aggregates)),
    sessions: without(sessionRows, sessions),
    definitions: without(defined, definitions),
  }
  await writeOnce(dependencies, parts, good, { lines, others })
}

/** Writes the parts in one transaction. What DuckDB refuses is found by halves and becomes dead letters. */
export const writeParts = async (dependencies: WriteDependencies, parts: readonly OlapPart[]): Promise<void> => {
  const fresh = notStored(parts, await dependencies.positions.read())
  if (fresh.length === 0) return
  try {
    await writeOnce(dependencies, fresh, rowsOf(fresh), NOTHING_REFUSED)
  } catch (error) {
    if (!isRefusal(error)) throw error
    await writeWithout(dependencies, fresh, error)
  }
}
