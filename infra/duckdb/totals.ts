import type { DuckDBConnection } from '@duckdb/node-api'
import type { TenantTotals } from '#schema/olap.ts'

/** Rows that are there, and those that the retention has dropped. */
const SQL = `
SELECT
  (SELECT count(*) FROM raw_events WHERE tenant = $1)::DOUBLE,
  (SELECT count(*) FROM dead_letters WHERE tenant = $1 AND code = 'LATE')::DOUBLE,
  (SELECT count(*) FROM dead_letters WHERE tenant = $1 AND code <> 'LATE')::DOUBLE,
  map_from_entries((SELECT list((name, value)) FROM
    (SELECT name, sum(value)::DOUBLE AS value FROM counters WHERE tenant = $1 GROUP BY name)))`

/** Events of a tenant by what became of them, counted by this store for itself. */
export const readTotals = async (connection: DuckDBConnection, tenant: string): Promise<TenantTotals> => {
  const [row] = (await connection.runAndReadAll(SQL, [tenant])).getRowsJS() as unknown[][]
  const [stored, late, invalid] = row as number[]
  const counters = new Map((row[3] as { key: string; value: number }[] | null)?.map(({ key, value }) => [key, value]))
  const counter = (name: string): number => counters.get(name) ?? 0
  return {
    stored: stored + counter('expired_stored'),
    late: late + counter('expired_late'),
    duplicate: counter('duplicate'),
    invalid: invalid + counter('expired_invalid'),
  }
}
