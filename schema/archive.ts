import { isName } from './subjects.ts'

/** Version of manifests and positions. A reader refuses a newer one. */
export const ARCHIVE_FORMAT = 1

/** What became of an event by its settlement; a repetition of one that is there is not archived. */
export const ARCHIVE_OUTCOMES = ['events', 'late', 'invalid'] as const
export type ArchiveOutcome = (typeof ARCHIVE_OUTCOMES)[number]

/** Files of one folder: one outcome, tenant and day. */
export interface ArchiveGroup {
  outcome: ArchiveOutcome
  tenant: string
  /** YYYY-MM-DD in UTC: of the event's time; of what could not be read, of its reception. */
  date: string
}

/** Messages from..to of a partition's log. */
export interface ArchiveRange {
  partition: number
  from: number
  to: number
}

/** Times in milliseconds since 1970. Those of invalid lines are when they were received. */
export interface ArchiveSpan {
  minTime: number
  maxTime: number
  minReceivedAt: number
  maxReceivedAt: number
}

/** One Parquet file. Nothing of it ever changes. */
export interface ArchiveFile extends ArchiveSpan {
  /** Object name below the archive's prefix. */
  name: string
  rows: number
  bytes: number
  /** CRC-32C of its bytes: base64 of four bytes, most significant first, as GCS writes it. */
  crc32c: string
  /** How often its rows were merged: 0 as they came from the log. */
  level: number
  /** Whose log it is. */
  deployment: string
  /** Where in the log its rows stand, one range a partition. Others of the manifest may have rows between them. */
  ranges: ArchiveRange[]
}

/** Files that become one. It is written down before the one is, so that whoever goes on after a crash makes the same. */
export interface ArchiveMerge {
  name: string
  level: number
  inputs: string[]
}

/** The files of a group, and what they replaced: what a reader goes by. Switched by compare-and-set. */
export interface ArchiveManifest extends ArchiveGroup {
  format: number
  /** Grows with every change. */
  revision: number
  /** When events were last added, milliseconds since 1970 by the writer's clock. */
  addedAt: number
  /** Of all files together. */
  rows: number
  bytes: number
  /** Repetitions of events that are there: they stand in no file. */
  duplicates: number
  /** By deployment and partition: last log sequence that is in here as far as it belongs here. */
  through: Record<string, Record<string, number>>
  files: ArchiveFile[]
  /** No file of the manifest any more: removed once readers of an older manifest have had time. */
  replaced: { name: string; at: number }[]
  merge: ArchiveMerge | null
}

/** Messages that had expired before they were archived. */
export interface ArchiveLoss extends ArchiveRange {
  deployment: string
  /** PROCESSOR: before a processor read them, so they count nowhere. ARCHIVE: they count, and are not in the archive. */
  lostBy: 'PROCESSOR' | 'ARCHIVE'
}

/** What is missing of a partition. */
export interface ArchiveLosses {
  format: number
  losses: ArchiveLoss[]
}

/** How far a partition is archived, and the chunk that is being written: recorded before any of its files is. */
export interface ArchivePosition {
  format: number
  checkpoint: number
  /** Last log sequence that is archived. */
  sequence: number
  chunk: { checkpoint: number; sequence: number } | null
}

export const NO_POSITION: ArchivePosition = { format: ARCHIVE_FORMAT, checkpoint: 0, sequence: 0, chunk: null }

/** Tenant of lines that nobody can be told to have sent. No tenant's name begins so. */
export const NO_ARCHIVE_TENANT = '_unknown'

export const archiveFolder = ({ outcome, tenant, date }: ArchiveGroup): string =>
  `${outcome}/tenant=${tenant}/date=${date}`

export const manifestName = ({ outcome, tenant, date }: ArchiveGroup): string =>
  `manifests/${outcome}/tenant=${tenant}/date=${date}.json`

export const MANIFESTS = 'manifests/'

/** The group of a manifest by its name; null when it is none. */
export const groupOfManifest = (name: string): ArchiveGroup | null => {
  const [, outcome, tenant, date] = /^manifests\/(\w+)\/tenant=(\w+)\/date=(\d{4}-\d{2}-\d{2})\.json$/.exec(name) ?? []
  const isKnown = (ARCHIVE_OUTCOMES as readonly string[]).includes(outcome)
  if (!isKnown || !(isName(tenant) || tenant === NO_ARCHIVE_TENANT)) return null
  return { outcome: outcome as ArchiveOutcome, tenant, date }
}

export const lossesName = (partition: number): string => `losses/partition=${partition}.json`

const digits = (sequence: number): string => String(sequence).padStart(12, '0')

/** A chunk's file in a group: a pure function of the chunk's bounds. */
export const chunkFileName = (group: ArchiveGroup, deployment: string, { partition, from, to }: ArchiveRange): string =>
  `${archiveFolder(group)}/${deployment}-p${String(partition).padStart(2, '0')}-${digits(from)}-${digits(to)}.parquet`

/** Whose chunk's file it is; null when it is none. */
export const rangeOfChunkFile = (name: string): (ArchiveRange & { deployment: string }) | null => {
  const [, deployment, partition, from, to] = /\/([\w]+)-p(\d+)-(\d+)-(\d+)\.parquet$/.exec(name) ?? []
  if (deployment === undefined) return null
  return { deployment, partition: Number(partition), from: Number(from), to: Number(to) }
}

/** Short name of a deployment, as files carry it. */
export const deploymentTag = (id: string): string => id.replaceAll('-', '').slice(0, 8)

export const DAY_MS = 86_400_000

/** YYYY-MM-DD in UTC. */
export const dayOf = (time: number): string => new Date(time).toISOString().slice(0, 10)

/** A column of the files: how it is typed in Parquet, by DuckDB's names. */
interface ArchiveColumn {
  type: 'VARCHAR' | 'TIMESTAMP' | 'DOUBLE' | 'INTEGER' | 'BIGINT' | 'BOOLEAN'
  help: string
}

const PLACE = {
  partition: { type: 'INTEGER', help: 'partition of the log' },
  sequence: { type: 'BIGINT', help: 'message of the log' },
  index: { type: 'INTEGER', help: 'line of the message, from 0' },
} as const satisfies Record<string, ArchiveColumn>

/** Of files below events/ and late/. The first ones are those of raw_events. */
export const EVENT_COLUMNS = {
  tenant: { type: 'VARCHAR', help: 'whose event it is' },
  source: { type: 'VARCHAR', help: '`live`, or the name of an import or replay' },
  id: { type: 'VARCHAR', help: 'as the client sent it' },
  name: { type: 'VARCHAR', help: 'as the client sent it' },
  time: { type: 'TIMESTAMP', help: 'when it happened, UTC' },
  received_at: { type: 'TIMESTAMP', help: 'when a gateway took it, UTC' },
  session_id: { type: 'VARCHAR', help: 'never empty: the session, else the user, the anonymous id, the event’s id' },
  user_id: { type: 'VARCHAR', help: 'as the client sent it' },
  anonymous_id: { type: 'VARCHAR', help: 'as the client sent it' },
  properties: { type: 'VARCHAR', help: 'JSON text' },
  context: { type: 'VARCHAR', help: 'JSON text' },
  country: { type: 'VARCHAR', help: 'what the gateway added' },
  browser: { type: 'VARCHAR', help: 'what the gateway added' },
  os: { type: 'VARCHAR', help: 'what the gateway added' },
  device: { type: 'VARCHAR', help: 'what the gateway added' },
  weight: { type: 'DOUBLE', help: '1, or more where load shedding kept only a share' },
  schema_version: { type: 'INTEGER', help: 'of the event’s schema that it was checked against; 0: none' },
  ...PLACE,
  sent_time: { type: 'VARCHAR', help: 'the time as the client wrote it; NULL: it sent none' },
  sent_session: { type: 'BOOLEAN', help: 'whether the client sent session_id as its session' },
  sent_schema_version: { type: 'INTEGER', help: 'as the client sent it' },
  line: { type: 'VARCHAR', help: 'the whole line of the log, only where the other columns do not say all of it' },
} as const satisfies Record<string, ArchiveColumn>

/** Of files below invalid/. */
const INVALID_COLUMNS = {
  tenant: { type: 'VARCHAR', help: 'whose line it is; `_unknown` where nobody can tell' },
  received_at: { type: 'TIMESTAMP', help: 'when a gateway took it, of an unreadable line by the minute, UTC' },
  ...PLACE,
  reason: { type: 'VARCHAR', help: 'why it is no event; NULL where a metric could not be computed on it' },
  line: { type: 'VARCHAR', help: 'the whole line of the log' },
} as const satisfies Record<string, ArchiveColumn>

type RowOf<C extends Record<string, ArchiveColumn>> = { [N in keyof C]: unknown }

export const columnsOf = (outcome: ArchiveOutcome): Record<string, ArchiveColumn> =>
  outcome === 'invalid' ? INVALID_COLUMNS : EVENT_COLUMNS

/** A row on its way into a file. Times are milliseconds since 1970. */
export interface ArchivedEvent extends RowOf<typeof EVENT_COLUMNS> {
  tenant: string
  source: string
  id: string
  name: string
  time: number
  received_at: number
  session_id: string
  user_id: string | null
  anonymous_id: string | null
  properties: string | null
  context: string | null
  country: string | null
  browser: string | null
  os: string | null
  device: string | null
  weight: number
  schema_version: number
  partition: number
  sequence: number
  index: number
  sent_time: string | null
  sent_session: boolean
  sent_schema_version: number | null
  line: string | null
}

export interface ArchivedLine extends RowOf<typeof INVALID_COLUMNS> {
  tenant: string
  received_at: number
  partition: number
  sequence: number
  index: number
  reason: string | null
  line: string
}

export type ArchiveRow = ArchivedEvent | ArchivedLine
