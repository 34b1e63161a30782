import { createRequire } from 'node:module'

/**
 * DuckDB's client reads text with a TextDecoder that drops a U+FEFF at its start: an id or a dimension that begins with
 * one would come back as another. It has no setting for it, but reads through this one object.
 */
export const readTextWhole = (): void => {
  const accessors = createRequire(import.meta.url)('@duckdb/node-api/lib/vectors/dataAccessors.js')
  accessors.textDecoder = new TextDecoder('utf-8', { ignoreBOM: true })
}
