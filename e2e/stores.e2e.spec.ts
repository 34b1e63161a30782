import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { describe, expect, test } from 'vitest'
import { freshDruid, noDruid, type TestDruid } from '#infra/testing/druid.ts'
import { ask, readMetric, total } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { runImport } from './lib/import.ts'
import { SAMPLE_EVENTS } from './lib/sample.ts'
import { start } from './lib/start.ts'

const ARCHIVE = fileURLToPath(new URL('../scripts/archive/archive.main.ts', import.meta.url))
const ARRIVES_MS = 180_000

/** What one store says: events by source, and page views of its windows. */
interface Said {
  imported: number
  live: number
  /** By session and id. */
  distinct: number
  views: number
}

const BY_SOURCE = `
  SELECT COUNT(*) FILTER (WHERE source = 'live') AS live, COUNT(*) FILTER (WHERE source <> 'live') AS imported
  FROM raw_events`
const IDENTITIES = 'SELECT COUNT(*) AS n FROM (SELECT source, session_id, id FROM raw_events GROUP BY 1, 2, 3)'

const ofDruid = async (druid: TestDruid): Promise<Said> => {
  const [[events], [distinct], [views]] = [
    await druid.sql(BY_SOURCE),
    await druid.sql(IDENTITIES),
    await druid.sql(`SELECT SUM("count") AS n FROM minly_aggs WHERE metric = 'page_views' AND size = 60000`),
  ]
  const [imported, live] = [Number(events.imported), Number(events.live)]
  return { imported, live, distinct: Number(distinct.n), views: Number(views.n) }
}

const rowOf = async (connection: DuckDBConnection, sql: string): Promise<Record<string, number>> => {
  const [row] = (await connection.runAndReadAll(sql)).getRowObjects()
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)]))
}

const ofDuckDb = async (connection: DuckDBConnection): Promise<Said> => {
  const views = await rowOf(
    connection,
    `SELECT sum(n) AS n FROM minly_aggs WHERE metric = 'page_views' AND size_ms = 60000`,
  )
  const { imported, live } = await rowOf(connection, BY_SOURCE)
  return { imported, live, distinct: (await rowOf(connection, IDENTITIES)).n, views: views.n }
}

/** Windows are no part of the archive: its page views are counted. */
const ofArchive = async (connection: DuckDBConnection, folder: string): Promise<Said> => {
  await connection.run(
    `CREATE TEMP VIEW raw_events AS SELECT * FROM read_parquet('${folder}/events/**/*.parquet', hive_partitioning = true)`,
  )
  const { imported, live } = await rowOf(connection, BY_SOURCE)
  const views = await rowOf(connection, `SELECT count(*) AS n FROM raw_events WHERE name = 'page_view'`)
  return { imported, live, distinct: (await rowOf(connection, IDENTITIES)).n, views: views.n }
}

/** Page views as dashboards have them: of the days of the import, and since the demo began. */
const viewsLive = async (product: TestProduct): Promise<number> => {
  const now = Date.now()
  const hour = 3_600_000
  const ranges = [
    { from: '2015-05-17T00:00:00Z', to: '2015-05-21T00:00:00Z' },
    { from: new Date(now - 2 * hour).toISOString(), to: new Date(now + hour).toISOString() },
  ]
  const views = { name: 'page_views', window: 'PT1M', by: [] }
  const points = await Promise.all(ranges.map((range) => readMetric(product, views, range)))
  return points.reduce((sum, some) => sum + total(some.values()), 0)
}

interface Ledger {
  accepted: string
  counted: string
  late: string
  duplicate: string
  invalid: string
  stored: string
  balanced: boolean
  settledUntil: string | null
}

const LEDGER = `query ($from: DateTime!, $to: DateTime!) {
  ledger(from: $from, to: $to) { accepted counted late duplicate invalid stored balanced settledUntil }
}`

const readLedger = async (product: TestProduct): Promise<Ledger> => {
  const [from, to] = [Date.now() - 7_200_000, Date.now() + 60_000].map((ms) => new Date(ms).toISOString())
  return (await ask<{ ledger: Ledger }>(product, LEDGER, { from, to })).ledger
}

const verifyArchive = async ({ dataDir }: TestProduct) => {
  const { stdout } = await promisify(execFile)(process.execPath, [ARCHIVE, 'verify', '--json', `--data=${dataDir}`])
  return JSON.parse(stdout.trim().split('\n').at(-1) as string)
}

/** kill -9; resolves when the supervisor has started another one. */
const kill = async (product: TestProduct, name: string): Promise<void> => {
  const before = product.pids()[name]
  process.kill(before, 'SIGKILL')
  await until(`another ${name}`, () => ![before, undefined].includes(product.pids()[name]))
}

describe.skipIf(noDruid)('all stores', () => {
  test('tell the same, though the Kafka server, the indexer and storage are killed while everything comes', async () => {
    const druid = await freshDruid()
    const flags = ['--demo', `--druid-url=${druid.url}`, '--kafka-port=0', '--partitions=4', '--archive-ms=500']
    await using product = await start({ flags })
    await druid.readAnew()
    const importing = runImport(product)
    importing.catch(() => {})
    await until(
      'Druid has rows',
      async () => Number((await druid.sql('SELECT COUNT(*) AS n FROM raw_events'))[0].n) > 0,
      ARRIVES_MS,
    )
    await kill(product, 'kafka')
    await druid.killIndexer()
    await kill(product, 'storage')
    await druid.startIndexer()
    await kill(product, 'kafka')
    expect(await importing).toMatchObject({ accepted: SAMPLE_EVENTS, rejected: 0 })

    // From here on nothing comes.
    const demo = product.pids().demo
    process.kill(demo, 'SIGSTOP')
    const stoppedAt = Date.now()
    try {
      const views = await until(
        'all that had come is stored',
        async () => {
          const [before, ledger] = [await viewsLive(product), await readLedger(product)]
          const isStored = Date.parse(ledger.settledUntil ?? '') > stoppedAt && ledger.balanced
          return isStored && before === (await viewsLive(product)) && before
        },
        ARRIVES_MS,
      )
      const ledger = await readLedger(product)
      const counted = Number(ledger.counted)
      const said: Said = { imported: SAMPLE_EVENTS, live: counted - SAMPLE_EVENTS, distinct: counted, views }
      // Its tables are read by tasks of their own, one after the other here: each has to be there.
      const hasAll = ({ imported, live, views: its }: Said): boolean => imported + live >= counted && its >= views
      await until('Druid has everything', async () => hasAll(await ofDruid(druid)), ARRIVES_MS)
      expect(await ofDruid(druid)).toEqual(said)
      const archived = await until('all is archived', async () => {
        const result = await verifyArchive(product)
        return result.behind === 0 && result
      })
      expect(archived).toMatchObject({ missing: 0, duplicated: 0, wrong: 0, damaged: 0, lost: 0 })
      // By verdict alone: a late event that was sent twice is a repetition to the ledger, and two late rows here.
      expect(archived.events).toBe(counted)
      expect(archived.rows + archived.duplicates).toBe(Number(ledger.accepted))
      expect(await viewsLive(product)).toBe(views)

      // Only one process may have DuckDB's file open: nobody starts storage again meanwhile.
      process.kill(product.pid, 'SIGSTOP')
      process.kill(product.pids().storage, 'SIGKILL')
      const file = join(product.dataDir, 'olap', 'millrace.duckdb')
      const books = await until('the file is free', () => DuckDBInstance.create(file))
      const connection = await books.connect()
      expect(await ofDuckDb(connection)).toEqual(said)
      expect(await ofArchive(connection, join(product.dataDir, 'archive'))).toEqual(said)
      connection.closeSync()
      books.closeSync()
    } finally {
      process.kill(product.pid, 'SIGCONT')
      process.kill(demo, 'SIGCONT')
    }
  })
})
