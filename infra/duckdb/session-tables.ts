import { MEASURE_DDL } from './measure-columns.ts'

/**
 * A row says what one series of a session was when it was written; of rows of one series that with the highest revision
 * holds. `merged` rows have no older ones beside them.
 */
export const SESSION_AGGS = `
CREATE TABLE IF NOT EXISTS session_aggs (
  tenant VARCHAR NOT NULL, metric VARCHAR NOT NULL, version BIGINT NOT NULL, gap_ms BIGINT NOT NULL,
  source VARCHAR NOT NULL, session_id VARCHAR NOT NULL,
  window_start TIMESTAMP NOT NULL, window_end TIMESTAMP NOT NULL, dims VARCHAR[] NOT NULL,
  events BIGINT NOT NULL, corrections BIGINT NOT NULL,
  ${MEASURE_DDL},
  revision BIGINT NOT NULL, retracted BOOLEAN NOT NULL, ended BIGINT,
  stored_at TIMESTAMP NOT NULL, "partition" INTEGER NOT NULL, merged BOOLEAN NOT NULL)`

/** What the rows of one session have in common. */
export const SESSION = 'tenant, metric, version, gap_ms, source, session_id, window_start'
/** What rows that replace each other have in common. */
export const SESSION_KEY = `${SESSION}, dims`

/** Of SELECT, grouped by SESSION_KEY: the row that holds. */
export const NEWEST_ROW = 'arg_max(rowid, (revision, rowid))'
