import type { DuckDBConnection } from '@duckdb/node-api'
import type { OlapPart } from '#processors/ports.ts'

const DROP_OLDER = 'DELETE FROM metrics WHERE tenant = $1 AND metric = $2 AND version <= $3'
const INSERT = `
INSERT INTO metrics
SELECT tenant, definition->>'$.name', (definition->>'$.version')::BIGINT, deleted, definition->>'$.event',
  definition->>'$.measure.kind', definition->>'$.measure.field', (definition->'$.dimensions')::VARCHAR[], definition
FROM (SELECT $1 AS tenant, $4::JSON AS definition, $5 AS deleted)
WHERE NOT EXISTS (SELECT 1 FROM metrics WHERE tenant = $1 AND metric = $2 AND version > $3)`

const NOTE = 'INSERT INTO definitions VALUES ($1, $2, $3, $4, $5)'

/**
 * Keeps the newest definition of each metric, which every partition settles again without a change, and where each took
 * effect in each partition.
 */
export const applyDefinitions = async (
  connection: DuckDBConnection,
  parts: readonly Pick<OlapPart, 'partition' | 'definitions'>[],
): Promise<void> => {
  for (const { partition, definitions } of parts) {
    for (const { tenant, definition, deleted, sequence = 0 } of definitions) {
      const key = [tenant, definition.name, definition.version]
      const json = JSON.stringify(definition)
      await connection.run(DROP_OLDER, key)
      await connection.run(INSERT, [...key, json, deleted])
      await connection.run(NOTE, [tenant, partition, sequence, deleted, json])
    }
  }
}
