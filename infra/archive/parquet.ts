import { randomUUID } from 'node:crypto'
import { appendFile, mkdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ArchiveFiles, ChunkRows, EncodedFile, ObjectStore } from '#processors/ports.ts'
import { type ArchiveGroup, type ArchiveOutcome, archiveFolder, columnsOf } from '#schema/archive.ts'
import { quote } from '../duckdb/open.ts'
import { checksumOfFile } from './checksum.ts'
import type { Duck } from './duck.ts'

/** Rows of a group in Parquet: enough for a scan to skip by, few enough to read one in memory. */
const ROW_GROUP = 100_000
/** Text that waits to be appended to the files of a chunk. */
const MOST_WAITING = 1_000_000

const isTime = (type: string): boolean => type === 'TIMESTAMP'

/** Columns as they are spooled: times in milliseconds. */
const spoolColumns = (outcome: ArchiveOutcome): string => {
  const columns = Object.entries(columnsOf(outcome))
  return `{${columns.map(([name, { type }]) => `"${name}": ${quote(isTime(type) ? 'BIGINT' : type)}`).join(', ')}}`
}

/** The same as they stand in the files. */
const fromSpool = (outcome: ArchiveOutcome): string =>
  Object.entries(columnsOf(outcome))
    .map(([name, { type }]) => (isTime(type) ? `epoch_ms("${name}") AS "${name}"` : `"${name}"`))
    .join(', ')

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

  const write = async (outcome: ArchiveOutcome, select: string): Promise<EncodedFile> => {
    const path = fresh('parquet')
    const discard = () => rm(path, { force: true })
    try {
      await duck.run(`COPY (${select} ORDER BY ${orderOf(outcome)}) TO ${quote(path)}
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

  const chunk = async (): Promise<ChunkRows> => {
    const paths = new Map<string, string>()
    let waiting = new Map<string, string[]>()
    let size = 0
    const flush = async (): Promise<void> => {
      const texts = waiting
      waiting = new Map()
      size = 0
      for (const [path, lines] of texts) await appendFile(path, lines.join(''))
    }
    const pathOf = (group: ArchiveGroup): string => {
      const key = archiveFolder(group)
      const path = paths.get(key) ?? fresh('ndjson')
      paths.set(key, path)
      return path
    }
    return {
      async add(group, rows) {
        const path = pathOf(group)
        const lines = waiting.get(path) ?? []
        waiting.set(path, lines)
        for (const row of rows) {
          const line = `${JSON.stringify(row)}\n`
          lines.push(line)
          size += line.length
        }
        if (size >= MOST_WAITING) await flush()
      },
      async encode(group) {
        await flush()
        const { outcome } = group
        const spooled = `read_json(${quote(pathOf(group))}, format = 'newline_delimited', columns = ${spoolColumns(outcome)})`
        return write(outcome, `SELECT ${fromSpool(outcome)} FROM ${spooled}`)
      },
      async discard() {
        waiting.clear()
        for (const path of paths.values()) await rm(path, { force: true })
        paths.clear()
      },
    }
  }

  return {
    chunk,
    merge: (outcome, names) =>
      withCopies(names, (paths) => write(outcome, `SELECT ${columnNames(outcome)} FROM ${parquetOf(paths)}`)),
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
