import type { DuckDBConnection } from '@duckdb/node-api'
import type { DefinitionState } from '#schema/checkpoint.ts'

const DROP_OLDER = 'DELETE FROM metrics WHERE tenant = $1 AND metric = $2 AND version <= $3'
const INSERT = `
INSERT INTO metrics
SELECT tenant, definition->>'$.name', (definition->>'$.version')::BIGINT, deleted, definition->>'$.event',
  definition->>'$.measure.kind', definition->>'$.measure.field', (definition->'$.dimensions')::VARCHAR[], definition
FROM (SELECT $1 AS tenant, $4::JSON AS definition, $5 AS deleted)
WHERE NOT EXISTS (SELECT 1 FROM metrics WHERE tenant = $1 AND metric = $2 AND version > $3)`

/** Keeps the newest definition of each metric. Every partition settles every definition: repetitions change nothing. */
export const applyDefinitions = async (
  connection: DuckDBConnection,
  definitions: readonly DefinitionState[],
): Promise<void> => {
  for (const { tenant, definition, deleted } of definitions) {
    const key = [tenant, definition.name, definition.version]
    await connection.run(DROP_OLDER, key)
    await connection.run(INSERT, [...key, JSON.stringify(definition), deleted])
  }
}
