import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { identitySql, idSql } from '#infra/duckdb/tables.ts'
import type { OlapReader } from '#schema/olap.ts'

export const PARTITIONS = 8
/** The rows are spread over this time before now: inside the retention, so that upkeep leaves them. */
const SPAN_MS = 20 * 86_400_000
const STEP = 500_000

/** Every other id is a UUIDv7 of the moment in which it was received, the others tell nothing. */
const ROWS = `
INSERT INTO raw_events
SELECT *, ${identitySql('tenant', 'source', 'key', 'id')}, ${idSql('tenant', 'id')} FROM (
  SELECT 'main' AS tenant, 'live' AS source,
    CASE WHEN i % 2 = 0
      THEN h[1:8] || '-' || h[9:12] || '-7' || r[1:3] || '-8' || r[4:6] || '-' || r[7:18] ELSE 'order-' || r[1:16] END AS id,
    'page_view' AS name, epoch_ms(ms), epoch_ms(ms), 's' || (i // 7) AS key, 'u' || (i % 50000), NULL,
    '{"path":"/p/' || (i % 1000) || '","bytes":' || i || '}', '{"page":"https://shop.example/p"}',
    'NL', 'Firefox', 'Linux', 'desktop', 1, 0, (i % ${PARTITIONS})::INTEGER, i // 800, (i % 100)::INTEGER
  FROM (SELECT i, ms, printf('%012x', ms) AS h, md5(i::VARCHAR) AS r
    FROM (SELECT i, $1::BIGINT + (i * $2::DOUBLE)::BIGINT AS ms FROM range($3::BIGINT, $4::BIGINT) t(i))))`

/** Makes a store with so many raw events, by SQL: what is measured is reading. */
export const fillStore = async (folder: string, rows: number, say: (line: string) => void): Promise<void> => {
  const logger = { info() {}, warn() {}, error() {} }
  await (await createDuckDbOlap({ folder, partitions: PARTITIONS, logger })).close()
  const instance = await DuckDBInstance.create(join(folder, 'millrace.duckdb'), { threads: '2' })
  const connection = await instance.connect()
  await connection.run(`SET memory_limit = '1GB'`)
  const first = Date.now() - SPAN_MS
  for (let from = 0; from < rows; from += STEP) {
    await connection.run(ROWS, [first, SPAN_MS / rows, from, Math.min(rows, from + STEP)])
    say(`${Math.min(rows, from + STEP).toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} rows`)
  }
  await connection.run('CHECKPOINT')
  connection.closeSync()
  instance.closeSync()
}

/** Ids of stored events from all over the table. */
export const sampleIds = async (olap: OlapReader, kind: 'uuid' | 'plain', count: number): Promise<string[]> => {
  const condition = kind === 'plain' ? `id LIKE 'order-%'` : `id NOT LIKE 'order-%'`
  const { rows } = await olap.sql(`SELECT id FROM raw_events WHERE ${condition} USING SAMPLE ${count} ROWS`)
  return rows.map(([id]) => id as string)
}
