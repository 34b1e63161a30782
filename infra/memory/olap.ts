import { type OlapBatch, type OlapPart, type OlapWriter, OutOfSequence } from '#processors/ports.ts'
import { MillraceError } from '#schema/errors.ts'
import type { AggregatesQuery, OlapRow, Positions } from '#schema/olap.ts'
import { noteCorrections, readCorrections } from './corrections.ts'
import { readNewestSessions, readOpenSessions, readSessions } from './sessions.ts'
import { type MemoryTables, writeLate, writePart, writeReceived } from './tables.ts'

const fresh = (positions: Positions, parts: readonly OlapPart[]): OlapPart[] =>
  parts.filter(({ partition, after, checkpoint }) => {
    if (checkpoint <= positions[partition]) return false
    if (after !== positions[partition]) throw new OutOfSequence(partition, positions[partition], after)
    return true
  })

const isAsked =
  ({ tenant, metric, version, size, from, to }: AggregatesQuery) =>
  (row: OlapRow): boolean =>
    row.tenant === tenant &&
    row.metric === metric &&
    row.version === version &&
    row.size === size &&
    row.start >= from &&
    row.start < to

const notHere = async (): Promise<never> => {
  throw new MillraceError(
    'UNAVAILABLE',
    'a store in memory keeps aggregates and positions; it answers no such question',
  )
}

/**
 * OLAP store in memory, for simulations: writes, aggregates and positions as the other adapters have them. `pause`
 * stands for the time that a write takes; until it is over nothing of the batch is stored.
 */
export const createMemoryOlap = (
  tables: MemoryTables,
  pause: () => Promise<void> = async () => undefined,
): OlapWriter => ({
  async write({ parts }: OlapBatch) {
    await pause()
    const written = fresh(tables.positions, parts)
    noteCorrections(tables, written)
    for (const part of written) writePart(tables, part)
    for (const part of written) writeLate(tables, part)
  },
  positions: async () => [...tables.positions],
  async writeReceived(parts) {
    await pause()
    writeReceived(tables, parts)
  },
  logPositions: async () => ({ settled: [...tables.sequences], received: [...tables.received] }),
  partitions: async () =>
    tables.folds.map(({ clocks, definitions, tenants }, partition) => ({
      checkpoint: tables.positions[partition],
      sequence: tables.sequences[partition],
      clocks: [...clocks.values()],
      definitions: [...definitions.values()],
      tenants: [...tenants.values()],
    })),
  holes: async () => [...tables.holes],
  async acknowledgeHoles() {
    const open = tables.holes.filter(({ acknowledgedAt }) => acknowledgedAt === null)
    for (const hole of open) hole.acknowledgedAt = Date.now()
    return open.length
  },
  async aggregates(query) {
    const rows = [...tables.rows.values()].filter(isAsked(query)).sort((a, b) => a.start - b.start)
    return { rows, positions: [...tables.positions] }
  },
  corrections: async (query) => readCorrections(tables, query),
  sessions: async (query) => ({ rows: readSessions(tables, query), positions: [...tables.positions] }),
  newestSessions: async (query) => ({ rows: readNewestSessions(tables, query), positions: [...tables.positions] }),
  openSessions: async (partition) => readOpenSessions(tables, partition),
  markers: async (gateway) =>
    [...tables.markers.values()]
      .filter((marker) => marker.gateway === gateway)
      .map(({ partition, number }) => ({ partition, number })),
  async totals(tenant) {
    const mine = tables.letters.filter(({ line }) => (line?.tenant ?? 'unknown') === tenant)
    const late = mine.filter(({ code }) => code === 'LATE').length
    const stored = tables.events.filter(({ line }) => line.tenant === tenant).length
    return { stored, late, invalid: mine.length - late, duplicate: tables.duplicates.get(tenant) ?? 0 }
  },
  events: notHere,
  deadLetters: notHere,
  ledger: notHere,
  copies: notHere,
  definitions: notHere,
  sql: notHere,
  maintain: async () => undefined,
  close: async () => undefined,
})
