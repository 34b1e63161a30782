import { stat } from 'node:fs/promises'
import type { DuckDBInstance } from '@duckdb/node-api'
import type { Logger } from '#processors/ports.ts'
import type { Queue } from './queue.ts'

/** When the write-ahead log is brought into the file. Bytes are of that log. */
export interface CheckpointSettings {
  /** Past this a checkpoint is due, when the last is long enough ago: */
  bytes: number
  everyMs: number
  /** Past this it is due at once. */
  mostBytes: number
  /** At most this often one that puts small row groups together, for which writes wait. */
  tidyEveryMs: number
}

export const CHECKPOINTS: CheckpointSettings = {
  bytes: 8_000_000,
  everyMs: 3_000,
  mostBytes: 32_000_000,
  tidyEveryMs: 120_000,
}

/** Of as many small row groups a full checkpoint makes about one that is full. */
const PUT_TOGETHER = 8

/** Checkpoints of the file, made in the background of its only writer. */
export interface Checkpoints {
  /** To be called after each commit of the writer, before its next transaction. Does not wait for a checkpoint. */
  committed(): Promise<void>
  /** Ends the one under way. */
  close(): Promise<void>
}

interface CheckpointOptions {
  instance: DuckDBInstance
  /** Path of the write-ahead log. */
  log: string
  /** Shared with all that deletes or updates rows: none of it runs during a checkpoint. */
  turns: Queue
  logger: Logger
  settings: CheckpointSettings
}

/**
 * DuckDB lets transactions that only insert begin and commit during a checkpoint, but not during a full one, which also
 * rewrites row groups that are small or have deleted rows. It makes a full one whenever no transaction is open that began
 * before the last commit. So a reader is opened after one commit, and kept from before the next one to the end of the
 * checkpoint.
 *
 * Rows that came during a checkpoint begin a row group of their own, so small ones add up: from time to time the reader is
 * left out.
 */
export const createCheckpoints = async (options: CheckpointOptions): Promise<Checkpoints> => {
  const { instance, log, turns, logger, settings } = options
  const reader = await instance.connect()
  const worker = await instance.connect()
  let isReading = false
  let running: Promise<void> | null = null
  let began = Number.NEGATIVE_INFINITY
  let tidied = performance.now()
  /** Row groups of a table that checkpoints have left small, and no full one has put together; of this process. */
  let small = 0

  /** The log stays as it is, and is tried again: what is wrong with the file, writes will say. */
  const attempt = async (body: () => Promise<unknown>): Promise<void> => {
    try {
      await body()
    } catch (error) {
      logger.warn({ error }, 'the store could not bring its write-ahead log into its file')
    }
  }

  const isDue = async (): Promise<boolean> => {
    const { size } = await stat(log)
    return size > settings.mostBytes || (size > settings.bytes && performance.now() - began >= settings.everyMs)
  }
  const isTidyDue = (): boolean => small >= PUT_TOGETHER && performance.now() - tidied >= settings.tidyEveryMs

  const beginReading = async (): Promise<void> => {
    await reader.run('BEGIN TRANSACTION READ ONLY')
    isReading = true
    await reader.run('SELECT max(checkpoint) FROM positions')
  }
  const endReading = async (): Promise<void> => {
    if (!isReading) return
    isReading = false
    await attempt(() => reader.run('ROLLBACK'))
  }

  const checkpoint = async (): Promise<void> => {
    began = performance.now()
    small = isReading ? small + 1 : Math.max(0, small - PUT_TOGETHER)
    if (!isReading) tidied = began
    await turns(() => attempt(() => worker.run('CHECKPOINT')))
    await endReading()
    running = null
  }

  return {
    async committed() {
      if (running) return
      if (!isReading) {
        if (!(await isDue().catch(() => false))) return
        if (!isTidyDue()) return attempt(beginReading)
      }
      running = checkpoint()
    },
    async close() {
      await running
      await endReading()
      for (const connection of [reader, worker]) connection.closeSync()
    },
  }
}
