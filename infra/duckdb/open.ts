import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Logger } from '#processors/ports.ts'
import { BOOKS_START, RECEIVED_FROM } from './ledger-tables.ts'
import { renameUpdated } from './newest.ts'
import { SCHEMA } from './tables.ts'
import { readTextWhole } from './whole-text.ts'

export interface DatabaseOptions {
  /** Folder of the database file and of its spool; made when it is missing. */
  folder: string
  partitions: number
  logger: Logger
  /** As DuckDB writes it: '1GB'. */
  memoryLimit?: string
  now?: () => number
}

interface Database {
  instance: DuckDBInstance
  /** Path of the write-ahead log. */
  log: string
  /** The only folder that SQL may read: rows on their way into a table. */
  spool: string
}

/**
 * A statement runs in one thread, many statements at a time in as many. More threads a statement take half as much
 * processor time again for the same rows, which at full load nobody has.
 */
const THREADS = 1
/** Checkpoints are made long before (see checkpoints.ts): past this one is part of a commit, which waits for it. */
const WAL_LIMIT = '256MB'
/** Of each table a checkpoint puts at most this many times a full row group's worth of small ones together. */
const MOST_REWRITTEN = 1
/** What an error says when the files themselves are at fault, not the way to them. */
const DAMAGED = /WAL|corrupt|checksum|serializ|deserializ|not a valid DuckDB|INTERNAL Error/i

const logOf = (file: string): string => `${file}.wal`

export const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`

const prepare = async (
  { instance, spool }: Database,
  { folder, memoryLimit, partitions, now = Date.now }: DatabaseOptions,
) => {
  // The file is ours now: what is in the spool is of a process that is gone.
  await rm(spool, { recursive: true, force: true })
  await mkdir(spool)
  const connection = await instance.connect()
  try {
    await connection.run(`SET memory_limit = ${quote(memoryLimit ?? '1GB')}`)
    await connection.run(`SET temp_directory = ${quote(join(folder, 'tmp'))}`)
    await connection.run(`SET wal_autocheckpoint = ${quote(WAL_LIMIT)}`)
    await connection.run(`SET max_vacuum_tasks = ${MOST_REWRITTEN}`)
    await connection.run('SET autoinstall_known_extensions = false')
    await connection.run('SET autoload_known_extensions = false')
    await connection.run(`SET allowed_directories = [${quote(spool)}]`)
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    await renameUpdated(connection)
    for (const statement of SCHEMA) await connection.run(statement)
    await connection.run(
      `INSERT INTO position_changes SELECT p, 0, 0 FROM range($1) t(p) WHERE p NOT IN (SELECT "partition" FROM positions)`,
      [partitions],
    )
    await connection.run(BOOKS_START, [now()])
    await connection.run(RECEIVED_FROM)
  } finally {
    connection.closeSync()
  }
}

/** Of the write-ahead log, when a checkpoint was under way: what was written meanwhile. */
const DURING_CHECKPOINT = '.checkpoint'

const openOnce = async (file: string, options: DatabaseOptions, spool: string): Promise<Database> => {
  const instance = await DuckDBInstance.create(file, { threads: String(THREADS) })
  const database: Database = { instance, log: logOf(file), spool }
  try {
    await prepare(database, options)
    return database
  } catch (error) {
    database.instance.closeSync()
    throw error
  }
}

/**
 * Opens the store. A write-ahead log that does not open after a crash is moved aside: the file then stands at its last
 * checkpoint, with the positions of that moment, so what is missing is read again. A file that does not open either is
 * moved aside too, and the store starts empty. Nothing is deleted. Rejects when another process has the file open.
 */
export const openDatabase = async (options: DatabaseOptions): Promise<Database> => {
  const { folder, logger, now = Date.now } = options
  const file = join(folder, 'millrace.duckdb')
  const spool = join(folder, 'spool')
  await mkdir(folder, { recursive: true })
  readTextWhole()
  const log = logOf(file)
  for (const damaged of [[log, `${log}${DURING_CHECKPOINT}`], [file]]) {
    try {
      return await openOnce(file, options, spool)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (!DAMAGED.test(reason)) throw error
      for (const path of damaged) {
        const keptAs = `${path}.damaged-${now()}`
        const moved = await rename(path, keptAs).then(
          () => true,
          () => false,
        )
        if (moved) logger.error({ reason, keptAs }, 'the store did not open: a damaged file was moved aside')
      }
    }
  }
  return openOnce(file, options, spool)
}
