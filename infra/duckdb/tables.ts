import { CORRECTIONS } from './corrections.ts'
import { LEDGER_SCHEMA, POSITIONS_OF_BOOKS } from './ledger-tables.ts'
import { MEASURE_DDL, MERGED_MEASURE, newerColumns } from './measure-columns.ts'
import { MEASURE_MACROS } from './measure-macros.ts'
import { NEWEST_VIEWS } from './newest.ts'
import { pointsView } from './points-view.ts'
import { SESSION_AGGS, SESSION_VIEWS } from './session-tables.ts'

/** Identity of an event in 64 bits. Lengths keep (a, bc) and (ab, c) apart, whatever characters they hold. */
export const identitySql = (tenant: string, source: string, key: string, id: string): string =>
  `md5_number_lower(concat(${tenant}, chr(0), ${source}, chr(0), length(${key}), chr(0), ${key}, ${id}))`

/** What an id is looked up by: a scan of eight bytes a row, where one of the ids takes ten times as long. */
export const idSql = (tenant: string, id: string): string => `md5_number_lower(concat(${tenant}, chr(0), ${id}))`

const RAW_EVENTS = `
CREATE TABLE IF NOT EXISTS raw_events (
  tenant VARCHAR NOT NULL, source VARCHAR NOT NULL, id VARCHAR NOT NULL, name VARCHAR NOT NULL,
  time TIMESTAMP NOT NULL, received_at TIMESTAMP NOT NULL,
  session_id VARCHAR NOT NULL, user_id VARCHAR, anonymous_id VARCHAR,
  properties JSON, context JSON,
  country VARCHAR, browser VARCHAR, os VARCHAR, device VARCHAR,
  weight DOUBLE NOT NULL, schema_version INTEGER NOT NULL,
  "partition" INTEGER NOT NULL, sequence BIGINT NOT NULL, "index" INTEGER NOT NULL,
  -- Late events are looked up by this column alone: one narrow scan for a whole batch.
  identity UBIGINT NOT NULL)`

/** Rows are changes; their sum is the window. `merged` rows are sums of what had come before. */
const aggregates = (table: string): string => `
CREATE TABLE IF NOT EXISTS ${table} (
  tenant VARCHAR NOT NULL, metric VARCHAR NOT NULL, version BIGINT NOT NULL, size_ms BIGINT NOT NULL,
  window_start TIMESTAMP NOT NULL, window_end TIMESTAMP NOT NULL, dims VARCHAR[] NOT NULL,
  events BIGINT NOT NULL, corrections BIGINT NOT NULL,
  ${MEASURE_DDL},
  revisions BIGINT NOT NULL, stored_at TIMESTAMP NOT NULL, merged BOOLEAN NOT NULL)`

const DEAD_LETTERS = `
CREATE TABLE IF NOT EXISTS dead_letters (
  tenant VARCHAR NOT NULL, source VARCHAR, id VARCHAR NOT NULL, name VARCHAR, session_id VARCHAR,
  code VARCHAR NOT NULL, message VARCHAR NOT NULL, path VARCHAR,
  -- Text, not JSON: what could not be read as JSON is kept as well.
  event VARCHAR NOT NULL,
  time TIMESTAMP, received_at TIMESTAMP NOT NULL, watermark TIMESTAMP,
  "partition" INTEGER NOT NULL, sequence BIGINT NOT NULL, "index" INTEGER NOT NULL,
  stored_at TIMESTAMP NOT NULL)`

const POSITIONS = `
CREATE TABLE IF NOT EXISTS position_changes (
  "partition" INTEGER NOT NULL, checkpoint BIGINT NOT NULL, sequence BIGINT NOT NULL)`

/**
 * What a fold must know to go on from a partition's position: clocks, definitions, settings of tenants, as JSON. With it
 * deltas that have expired are made anew from the log.
 */
const FOLD_STATE = `
CREATE TABLE IF NOT EXISTS fold_state_changes (
  "partition" INTEGER NOT NULL, kind VARCHAR NOT NULL, tenant VARCHAR NOT NULL, name VARCHAR NOT NULL,
  value VARCHAR NOT NULL)`

/** Acknowledged messages that the store does not have; see Hole in schema/olap.ts. */
const HOLES = `
CREATE TABLE IF NOT EXISTS holes (
  "partition" INTEGER NOT NULL, first_checkpoint BIGINT NOT NULL, last_checkpoint BIGINT NOT NULL,
  first_sequence BIGINT NOT NULL, last_sequence BIGINT NOT NULL, events BIGINT,
  lost_by VARCHAR NOT NULL, aggregates BOOLEAN NOT NULL,
  found_at TIMESTAMP NOT NULL, acknowledged_at TIMESTAMP)`

/** The newest definition of each metric: how a point's value follows from its merged state. */
const METRICS = `
CREATE TABLE IF NOT EXISTS metrics (
  tenant VARCHAR NOT NULL, metric VARCHAR NOT NULL, version BIGINT NOT NULL, deleted BOOLEAN NOT NULL,
  event VARCHAR NOT NULL, measure VARCHAR NOT NULL, field VARCHAR, dimensions VARCHAR[] NOT NULL,
  definition JSON NOT NULL)`

/** Markers that arrived: in the same transaction as the events before them. */
const MARKERS = `
CREATE TABLE IF NOT EXISTS markers (
  gateway VARCHAR NOT NULL, number BIGINT NOT NULL, "partition" INTEGER NOT NULL,
  sent_at TIMESTAMP NOT NULL, stored_at TIMESTAMP NOT NULL)`

/** Where in each partition's log a definition took effect: what counted at any place of it. */
const DEFINITIONS = `
CREATE TABLE IF NOT EXISTS definitions (
  tenant VARCHAR NOT NULL, "partition" INTEGER NOT NULL, sequence BIGINT NOT NULL, deleted BOOLEAN NOT NULL,
  definition JSON NOT NULL)`

/** What is counted but not (or no longer) a row: duplicates, and rows that the retention has dropped. */
const COUNTERS = `
CREATE TABLE IF NOT EXISTS counters (tenant VARCHAR NOT NULL, name VARCHAR NOT NULL, value BIGINT NOT NULL)`

/** A store from before fold_state was kept knows at least which definitions hold. */
const FIRST_FOLD_STATE = `
INSERT INTO fold_state_changes
SELECT "partition", 'definition', tenant, metric,
  json_object('tenant', tenant, 'definition', definition, 'deleted', deleted)::VARCHAR, 0
FROM positions, metrics
WHERE checkpoint > 0 AND "partition" NOT IN (SELECT "partition" FROM fold_state WHERE kind = 'definition')`

const MERGED = {
  events: 'sum(events)::BIGINT',
  corrections: 'sum(corrections)::BIGINT',
  corrected_at: 'max(corrected_at)',
  ...MERGED_MEASURE,
  revisions: 'sum(revisions)::BIGINT',
} as const

export const MERGED_COLUMNS = Object.keys(MERGED)

const mergedAs = Object.entries(MERGED)
  .map(([column, sql]) => `${sql} AS "${column}"`)
  .join(', ')

/** Of delta rows one for each `key`, with what they come to. `from`: a table and its conditions; `more`: aggregates. */
export const mergedRows = (key: string, from: string, more = ''): string =>
  `SELECT ${key}, ${mergedAs}${more && `, ${more}`} FROM ${from} GROUP BY ${key}`

const WINDOW_KEY = 'tenant, metric, version, window_start, window_end, dims'

/** One row per series and window. */
const points = (view: string, table: string): string =>
  pointsView(view, {
    key: WINDOW_KEY,
    shown: 'tenant, metric, window_start, window_end, dims',
    rows: (wanted) => `SELECT *, revisions AS revision FROM (${mergedRows(WINDOW_KEY, `${table} ${wanted}`)})`,
  })

export const AGGREGATE_TABLES = ['minly_aggs', 'hourly_aggs'] as const

/** Tables and views. All times are UTC. */
export const SCHEMA: readonly string[] = [
  RAW_EVENTS,
  ...AGGREGATE_TABLES.map(aggregates),
  SESSION_AGGS,
  ...CORRECTIONS,
  DEAD_LETTERS,
  POSITIONS,
  HOLES,
  FOLD_STATE,
  'ALTER TABLE fold_state_changes ADD COLUMN IF NOT EXISTS checkpoint BIGINT DEFAULT 0',
  ...POSITIONS_OF_BOOKS,
  ...NEWEST_VIEWS,
  METRICS,
  FIRST_FOLD_STATE,
  DEFINITIONS,
  COUNTERS,
  MARKERS,
  // Columns that came later: a store that is older gets them when it is opened.
  ...AGGREGATE_TABLES.flatMap(newerColumns),
  ...AGGREGATE_TABLES.map((table) => `ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS corrected_at TIMESTAMP`),
  // How far a hole was looked for in the archive, and how many rows that gave.
  'ALTER TABLE holes ADD COLUMN IF NOT EXISTS restored_to BIGINT',
  'ALTER TABLE holes ADD COLUMN IF NOT EXISTS restored_events BIGINT',
  'ALTER TABLE raw_events ADD COLUMN IF NOT EXISTS id_hash UBIGINT',
  `UPDATE raw_events SET id_hash = ${idSql('tenant', 'id')} WHERE id_hash IS NULL`,
  // Counted in windows, and yet no raw event: the store cannot hold it.
  'ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS refused BOOLEAN DEFAULT false',
  // Of a late event: sent again it is no second dead letter.
  'ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS identity UBIGINT',
  `UPDATE dead_letters SET identity = ${identitySql('tenant', 'source', 'session_id', 'id')}
   WHERE identity IS NULL AND code = 'LATE'`,
  ...MEASURE_MACROS,
  points('minly_points', 'minly_aggs'),
  points('hourly_points', 'hourly_aggs'),
  ...SESSION_VIEWS,
  ...LEDGER_SCHEMA,
]
