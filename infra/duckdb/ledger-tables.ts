/** What the headers of each frame say that a gateway received. Rows of frames that are settled are merged. */
const RECEIVED = `
CREATE TABLE IF NOT EXISTS received_minutes (
  "partition" INTEGER NOT NULL, sequence BIGINT NOT NULL, tenant VARCHAR NOT NULL, minute TIMESTAMP NOT NULL,
  accepted BIGINT NOT NULL, rejected BIGINT NOT NULL, shed BIGINT NOT NULL)`

/** Up to where the headers of each partition's log were read. */
const RECEIVED_POSITIONS = `
CREATE TABLE IF NOT EXISTS received_position_changes ("partition" INTEGER NOT NULL, sequence BIGINT NOT NULL)`

/** What settlements say that became of events. */
const SETTLED = `
CREATE TABLE IF NOT EXISTS settled_minutes (
  tenant VARCHAR NOT NULL, minute TIMESTAMP NOT NULL,
  counted BIGINT NOT NULL, late BIGINT NOT NULL, duplicate BIGINT NOT NULL, invalid BIGINT NOT NULL)`

/** Counted events that are in the archive. */
const ARCHIVED = `
CREATE TABLE IF NOT EXISTS archived_minutes (tenant VARCHAR NOT NULL, minute TIMESTAMP NOT NULL, events BIGINT NOT NULL)`

/** Up to where the archive of each partition is in the books. */
const ARCHIVED_POSITIONS = `
CREATE TABLE IF NOT EXISTS archived_position_changes ("partition" INTEGER NOT NULL, sequence BIGINT NOT NULL)`

/** Rows that the retention has dropped, by when they had been received. */
const EXPIRED = `
CREATE TABLE IF NOT EXISTS expired_minutes (
  tenant VARCHAR NOT NULL, minute TIMESTAMP NOT NULL, stored BIGINT NOT NULL, late BIGINT NOT NULL,
  invalid BIGINT NOT NULL, refused BIGINT NOT NULL, duplicate BIGINT NOT NULL, moved BIGINT NOT NULL)`

/** Copies of events that were counted already. \`late\`: settled as late, and found here to be a duplicate. */
const DUPLICATES = `
CREATE TABLE IF NOT EXISTS duplicates (
  tenant VARCHAR NOT NULL, source VARCHAR, id VARCHAR NOT NULL, session_id VARCHAR, received_at TIMESTAMP NOT NULL,
  "partition" INTEGER NOT NULL, sequence BIGINT NOT NULL, "index" INTEGER NOT NULL,
  late BOOLEAN NOT NULL, id_hash UBIGINT NOT NULL)`

/** First minute of the books: a store that is older has rows of which nobody had counted the headers. */
const START = `CREATE TABLE IF NOT EXISTS ledger_start (since TIMESTAMP NOT NULL)`

const MINUTE = `date_trunc('minute', received_at)`

/** Conditions on the rows that are counted: of tables by minute, and of tables by received_at. */
interface LedgerRange {
  minutes: string
  received: string
}

/** Each reader's counts side by side, a row for each of them; what one does not know is NULL. */
const readers = ({ minutes, received }: LedgerRange): string => `
  SELECT tenant, minute, accepted, rejected, shed
  FROM received_minutes r JOIN positions p USING ("partition") WHERE r.sequence <= p.sequence AND ${minutes}
  UNION ALL BY NAME
  SELECT tenant, minute, counted AS c, late AS l, duplicate AS d, invalid AS i FROM settled_minutes WHERE ${minutes}
  UNION ALL BY NAME
  SELECT tenant, ${MINUTE} AS minute, count(*) AS stored FROM raw_events WHERE ${received} GROUP BY ALL
  UNION ALL BY NAME
  SELECT tenant, ${MINUTE} AS minute, count(*) FILTER (code = 'LATE') AS late_rows,
    count(*) FILTER (code = 'INVALID') AS invalid_rows, count(*) FILTER (refused) AS refused
  FROM dead_letters WHERE code IN ('LATE', 'INVALID') AND ${received} GROUP BY ALL
  UNION ALL BY NAME
  SELECT tenant, ${MINUTE} AS minute, count(*) AS duplicate_rows, count(*) FILTER (late) AS moved
  FROM duplicates WHERE ${received} GROUP BY ALL
  UNION ALL BY NAME
  SELECT tenant, minute, stored, late AS late_rows, invalid AS invalid_rows, refused, duplicate AS duplicate_rows, moved
  FROM expired_minutes WHERE ${minutes}
  UNION ALL BY NAME
  SELECT tenant, minute, events AS archived FROM archived_minutes WHERE ${minutes}`

const SUMS = [
  ...['accepted', 'rejected', 'shed', 'c', 'l', 'd', 'i'],
  ...['stored', 'late_rows', 'invalid_rows', 'refused', 'duplicate_rows', 'moved', 'archived'],
]

/**
 * The books by tenant and minute of receipt. All readers are taken up to the same place of each partition's log: the
 * last one that is settled and stored. A late event that turned out to be known moves from late to duplicate, and one
 * that the store could not hold from counted to invalid: both are rows that say so.
 */
export const ledgerSql = (range: LedgerRange): string => `
SELECT tenant, minute, accepted, rejected, shed,
  c - refused AS counted, l - moved AS late, d + moved AS duplicate, i + refused AS invalid, stored, archived,
  accepted = c + l + d + i AND stored = c - refused AND late_rows = l - moved
    AND duplicate_rows = d + moved AND invalid_rows = i + refused AS balanced
FROM (
  SELECT tenant, minute, ${SUMS.map((column) => `coalesce(sum(${column}), 0)::BIGINT AS ${column}`).join(', ')}
  FROM (${readers(range)})
  WHERE minute >= (SELECT since FROM ledger_start) GROUP BY tenant, minute)`

export const POSITIONS_OF_BOOKS: readonly string[] = [RECEIVED_POSITIONS, ARCHIVED_POSITIONS]

export const LEDGER_SCHEMA: readonly string[] = [
  RECEIVED,
  SETTLED,
  ARCHIVED,
  EXPIRED,
  DUPLICATES,
  START,
  `CREATE OR REPLACE VIEW ledger AS ${ledgerSql({ minutes: 'true', received: 'true' })}`,
]

/** Of a store that has rows already, the books begin with the next whole minute; $1 is the time, in milliseconds. */
export const BOOKS_START = `
INSERT INTO ledger_start
SELECT CASE WHEN max(checkpoint) > 0 THEN date_trunc('minute', epoch_ms($1::BIGINT)) + INTERVAL 1 MINUTE
  ELSE epoch_ms(0) END
FROM positions HAVING NOT EXISTS (SELECT 1 FROM ledger_start)`

/** Where the headers of a partition are read from first: in an older store, where its settlements stand. */
export const RECEIVED_FROM = `
INSERT INTO received_position_changes
SELECT "partition", sequence FROM positions WHERE "partition" NOT IN (SELECT "partition" FROM received_positions)`
