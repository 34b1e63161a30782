import type { OlapPart } from '#processors/ports.ts'
import { type MeasureFinder, maybeCorrected, sessionCorrections, sliceCorrections } from '#schema/correction-list.ts'
import type { CorrectionsQuery, Page, StoredCorrection } from '#schema/olap.ts'
import { newestSessionRows, sessionRowKey } from '#schema/session-rows.ts'
import type { MemoryTables } from './tables.ts'

/** By the definitions in force, and what comes in the same batch. */
const findMeasures = (tables: MemoryTables, parts: readonly OlapPart[]): MeasureFinder => {
  const states = [
    ...parts.flatMap(({ definitions }) => definitions),
    ...tables.folds.flatMap(({ definitions }) => [...definitions.values()]),
  ]
  return ({ tenant, metric, version }) =>
    states.find((one) => one.tenant === tenant && one.definition.name === metric && one.definition.version === version)
      ?.definition.measure
}

/** Before any of the parts is written. */
export const noteCorrections = (tables: MemoryTables, parts: readonly OlapPart[]): void => {
  const measureFor = findMeasures(tables, parts)
  const sessions = maybeCorrected(newestSessionRows(parts.flatMap((part) => part.sessions)))
  const corrections = [
    ...sliceCorrections(
      parts.flatMap(({ aggregates }) => aggregates),
      tables.rows,
      measureFor,
    ),
    ...sessionCorrections(sessions, (row) => tables.sessions.get(sessionRowKey(row)), measureFor),
  ]
  const at = Date.now()
  tables.corrections.push(...corrections.map((correction) => ({ ...correction, at })))
}

export const readCorrections = (
  tables: MemoryTables,
  { tenant, metric, from, to, first, after = '0' }: CorrectionsQuery,
): Page<StoredCorrection> => {
  const asked = tables.corrections
    .filter((one) => one.tenant === tenant && one.at >= from && one.at < to && (metric ?? one.metric) === one.metric)
    .map(({ tenant: _, revision: __, ...correction }): StoredCorrection => correction)
    .reverse()
  const end = Number(after) + first
  return { nodes: asked.slice(Number(after), end), endCursor: String(end), hasNextPage: asked.length > end }
}
