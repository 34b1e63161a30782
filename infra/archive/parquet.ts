import { randomUUID } from 'node:crypto'
import { mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveFiles, EncodedFile, ObjectStore } from '#processors/ports.ts'
import { type ArchiveOutcome, columnsOf } from '#schema/archive.ts'
import { quote } from '../duckdb/open.ts'
import { checksumOfFile } from './checksum.ts'
import type { Duck } from './duck.ts'
import { createSpooledChunk } from './spooled-chunk.ts'

/** Rows of a group in Parquet: enough for a scan to skip by, few enough to read one in memory. */
const ROW_GROUP = 100_000

/** Columns of an outcome in their order, for a SELECT. */
export const columnNames = (outcome: ArchiveOutcome): string =>
  Object.keys(columnsOf(outcome))
    .map((name) => `"${name}"`)
    .join(', ')

/** A total order: by time, so that a range of it is read without the rest. */
const orderOf = (outcome: ArchiveOutcome): string =>
  `${outcome === 'invalid' ? 'received_at' : '"time"'}, "partition", sequence, "index"`

/** A table function that reads these files. */
export const parquetOf = (paths: readonly string[]): string =>
  `read_parquet([${paths.map(quote).join(', ')}], union_by_name = true, hive_partitioning = false)`

/** Makes Parquet files with DuckDB, in a folder of its own where nothing is worth keeping. */
export const createParquetFiles = async (duck: Duck, store: ObjectStore, folder: string): Promise<ArchiveFiles> => {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const fresh = (ending: string): string => join(folder, `${randomUUID()}.${ending}`)

  const write = async (select: string): Promise<EncodedFile> => {
    const path = fresh('parquet')
    const discard = () => rm(path, { force: true })
    try {
      await duck.run(`COPY (${select}) TO ${quote(path)}
        (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP})`)
      const [[rows]] = await duck.rows(`SELECT num_rows::DOUBLE FROM parquet_file_metadata(${quote(path)})`)
      const { size: bytes } = await stat(path)
      return { body: { path }, rows: rows as number, bytes, crc32c: await checksumOfFile(path), discard }
    } catch (error) {
      await discard()
      throw error
    }
  }

  /** Copies of objects for as long as `use` takes. */
  const withCopies = async <T>(names: readonly string[], use: (paths: string[]) => Promise<T>): Promise<T> => {
    const paths = names.map(() => fresh('parquet'))
    try {
      for (const [i, name] of names.entries()) await store.fetch(name, paths[i])
      return await use(paths)
    } finally {
      for (const path of paths) await rm(path, { force: true })
    }
  }

  return {
    chunk: async () => createSpooledChunk(fresh, write),
    merge: (outcome, names) =>
      withCopies(names, (paths) =>
        write(`SELECT ${columnNames(outcome)} FROM ${parquetOf(paths)} ORDER BY ${orderOf(outcome)}`),
      ),
    compare: (name, { body }) =>
      withCopies([name], async ([path]) => {
        if (body instanceof Uint8Array) throw new TypeError('a Parquet file is a file')
        const [[rows]] = await duck.rows(`SELECT count(*)::DOUBLE FROM ${parquetOf([path])}`)
        const [[lacking]] = await duck.rows(`SELECT count(*)::DOUBLE FROM
          (FROM ${parquetOf([body.path])} EXCEPT ALL FROM ${parquetOf([path])})`)
        return { rows: rows as number, lacking: lacking as number }
      }),
  }
}
