import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { Bits } from '../load/bits.ts'
import { NUMBER_SQL } from '../load/event-id.ts'

/** What one store has of the generator's events. */
export interface Census {
  rows: number
  /** Acknowledged and not there. */
  lost: number
  /** There more than once, each further time. */
  duplicated: number
  /** There and never acknowledged: an answer got lost, or came too late. */
  unacknowledged: number
}

/** Holds numbers that a store gives against those that were acknowledged. */
export const takeCensus = async (acknowledged: Bits, numbers: AsyncIterable<readonly number[]>): Promise<Census> => {
  const seen = new Bits()
  let rows = 0
  let duplicated = 0
  for await (const some of numbers) {
    rows += some.length
    for (const number of some) if (!seen.add(number)) duplicated++
  }
  const lost = acknowledged.countNotIn(seen)
  return { rows, lost, duplicated, unacknowledged: seen.countNotIn(acknowledged) }
}

async function* numbersOf(connection: DuckDBConnection, queries: readonly string[]): AsyncGenerator<number[]> {
  for (const query of queries) {
    const result = await connection.stream(query)
    for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
      yield chunk.getColumnValues(0) as number[]
    }
  }
}

const numbersIn = (table: string, distinct = ''): string =>
  `SELECT ${distinct} ${NUMBER_SQL.number} FROM ${table} WHERE ${NUMBER_SQL.isOurs}`

/** Files that manifests name: what is being merged stands beside its parts for a while. */
const archivedFiles = async (archive: string, outcome: string): Promise<string[]> => {
  const folder = join(archive, 'manifests', outcome)
  const names = await readdir(folder, { recursive: true }).catch(() => [])
  const manifests = await Promise.all(
    names
      .filter((name) => name.endsWith('.json'))
      .map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as { files: { name: string }[] }),
  )
  return manifests.flatMap(({ files }) => files.map(({ name }) => join(archive, name)))
}

const parquet = (files: readonly string[]): string =>
  `read_parquet([${files.map((file) => `'${file.replaceAll("'", "''")}'`).join(', ')}])`

/** By the settlements a late event that was sent again is late again, and archived again (docs/archive.md). */
const archiveQueries = async (archive: string): Promise<string[]> => {
  const [events, late] = await Promise.all(['events', 'late'].map((outcome) => archivedFiles(archive, outcome)))
  return [
    ...(events.length > 0 ? [numbersIn(parquet(events))] : []),
    ...(late.length > 0 ? [numbersIn(parquet(late), 'DISTINCT')] : []),
  ]
}

/** Reads the files that a product has left behind. Every event counted, or is late: a dead letter, and archived so. */
export const takeCensuses = async (dataDir: string, acknowledged: Bits): Promise<{ olap: Census; archive: Census }> => {
  const instance = await DuckDBInstance.create(join(dataDir, 'olap', 'millrace.duckdb'), {
    access_mode: 'READ_ONLY',
    threads: '2',
  })
  const connection = await instance.connect()
  const take = (queries: readonly string[]): Promise<Census> => takeCensus(acknowledged, numbersOf(connection, queries))
  try {
    const olap = await take(['raw_events', 'dead_letters'].map((table) => numbersIn(table)))
    return { olap, archive: await take(await archiveQueries(join(dataDir, 'archive'))) }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
