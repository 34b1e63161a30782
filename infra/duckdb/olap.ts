import { createKnownWindows } from '#infra/olap/known-windows.ts'
import type { PackedReader } from '#infra/olap/packed.ts'
import type { ArchiveLedger, OlapPart, OlapWriter, RawRestorer } from '#processors/ports.ts'
import { type Kept, RETENTION } from '#schema/limits.ts'
import { readAggregates } from './aggregates.ts'
import { writeArchived } from './archived-rows.ts'
import { CHECKPOINTS, type CheckpointSettings, createCheckpoints } from './checkpoints.ts'
import { readCopies, readDefinitions } from './copies.ts'
import { readCorrections } from './corrections.ts'
import { readDeadLetters } from './dead-letters.ts'
import { readEvents } from './events.ts'
import { readPartitions } from './fold-state.ts'
import { acknowledgeHoles, readHoles } from './holes.ts'
import { readLedger } from './ledger.ts'
import { readLogPositions, writeReceived } from './ledger-rows.ts'
import { maintainTables } from './maintain.ts'
import { readMarkers } from './markers.ts'
import { type DatabaseOptions, openDatabase } from './open.ts'
import { createQueryPool } from './pool.ts'
import { createStoredPositions, readPositions } from './positions.ts'
import { createQueue } from './queue.ts'
import { restoreRaw } from './restore.ts'
import { readNewestSessions, readOpenSessions, readSessions } from './sessions.ts'
import { createSpool } from './spool.ts'
import { runSql } from './sql.ts'
import { createStoredSlices } from './stored-slices.ts'
import { readTotals } from './totals.ts'
import { writeParts } from './write.ts'

interface DuckDbOlapOptions extends DatabaseOptions {
  /** Questions answered at the same time; more wait. */
  readers?: number
  /** A question that takes longer is interrupted. */
  queryTimeoutMs?: number
  kept?: Kept
  checkpoints?: CheckpointSettings
}

/** Whether rows are deleted or updated for it, and not only inserted. */
const alters = ({ definitions, holes, replaced }: OlapPart): boolean =>
  definitions.length > 0 || holes.length > 0 || replaced.length > 0

/** The OLAP store in a DuckDB file: this process is its only writer, and answers the questions to it. */
export const createDuckDbOlap = async (
  options: DuckDbOlapOptions,
): Promise<OlapWriter & RawRestorer & ArchiveLedger & PackedReader> => {
  const { logger, readers = 4, queryTimeoutMs = 10_000, now = Date.now, kept = RETENTION } = options
  const { instance, log, spool } = await openDatabase(options)
  const connection = await instance.connect()
  const maintenance = await instance.connect()
  const pool = createQueryPool(instance, { connections: readers, timeoutMs: queryTimeoutMs })
  const files = createSpool(spool)
  const slices = createStoredSlices(connection, files, now)
  const dependencies = { connection, spool: files, slices, positions: createStoredPositions(connection), logger, now }
  const known = createKnownWindows({
    read: (query) => pool.query((reader) => readAggregates(reader, query)),
    positions: () => pool.query(readPositions),
  })
  const turns = createQueue()
  const queue = createQueue()
  const { checkpoints: settings = CHECKPOINTS } = options
  const checkpoints = await createCheckpoints({ instance, log, turns, logger, settings })
  const writes = <T>(body: () => Promise<T>): Promise<T> =>
    queue(async () => {
      const result = await body()
      await checkpoints.committed()
      return result
    })
  const alterations = <T>(body: () => Promise<T>): Promise<T> => writes(() => turns(body))
  return {
    write: ({ parts }) => {
      const touched = parts.flatMap(({ aggregates }) => aggregates)
      const inTurn = parts.some(alters) ? alterations : writes
      return inTurn(() => known.writing(touched, () => writeParts(dependencies, parts)))
    },
    writeArchived: (part) => writes(() => writeArchived(connection, dependencies.spool, part)),
    restore: (restoration) => alterations(() => restoreRaw(dependencies, restoration)),
    writeReceived: (parts) => writes(() => writeReceived(connection, dependencies.spool, parts)),
    logPositions: () => pool.query(readLogPositions),
    maintain: (at) => turns(() => known.writingAll(() => maintainTables(maintenance, at, kept))),
    positions: () => pool.query(readPositions),
    partitions: () => pool.query(readPartitions),
    holes: () => pool.query(readHoles),
    acknowledgeHoles: () => alterations(() => acknowledgeHoles(connection, now())),
    aggregates: (query) => pool.query((reader) => readAggregates(reader, query)),
    packedAggregates: known.answer,
    sessions: (query) => pool.query((reader) => readSessions(reader, query)),
    newestSessions: (query) => pool.query((reader) => readNewestSessions(reader, query)),
    openSessions: (partition) => pool.query((reader) => readOpenSessions(reader, partition)),
    events: (query) => pool.query((reader) => readEvents(reader, query)),
    deadLetters: (query) => pool.query((reader) => readDeadLetters(reader, query)),
    corrections: (query) => pool.query((reader) => readCorrections(reader, query)),
    totals: (tenant) => pool.query((reader) => readTotals(reader, tenant)),
    markers: (gateway) => pool.query((reader) => readMarkers(reader, gateway)),
    copies: (query) => pool.query((reader) => readCopies(reader, query)),
    definitions: (query) => pool.query((reader) => readDefinitions(reader, query)),
    ledger: (query) => pool.query((reader) => readLedger(reader, query)),
    sql: (statement) => pool.query((reader) => runSql(reader, statement)),
    async close() {
      await queue(() => checkpoints.close())
      connection.closeSync()
      await turns(async () => maintenance.closeSync())
      await pool.close()
      instance.closeSync()
    },
  }
}
