/** Bounds that every way in shares. Sizes in bytes of UTF-8. */
export const LIMITS = {
  /** A request's body, decompressed. */
  requestBytes: 1_000_000,
  /** Events of one request. */
  batchEvents: 5_000,
  /** One event as JSON. */
  eventBytes: 32_768,
  /** Nesting of one event: the event object is depth 1. */
  jsonDepth: 32,
  /** Characters of an id. */
  idChars: 128,
  /** Characters of a session, user or anonymous id: they name series and keys. */
  keyChars: 256,
  /** Characters of a dimension's value; longer ones are cut. */
  dimensionChars: 256,
  /** A frame is closed when it has this many bytes; one NATS message holds 1 MB. */
  frameBytes: 512_000,
  /** Events of one frame. */
  frameEvents: 5_000,
  /** Series of one metric, slice and partition that have a name; the rest count under OTHER. */
  seriesPerWindow: 10_000,
  /** Of these, how many are named as they come. The other places are for names that prove heavy under OTHER. */
  seriesAsTheyCome: 8_000,
  /** The same of one session. */
  seriesPerSession: 1_000,
} as const

/** Earliest event time that is accepted: 2000-01-01T00:00:00Z. */
export const EARLIEST_TIME_MS = Date.UTC(2000, 0, 1)
/** How far ahead of the gateway's clock an event's time may be. */
export const FUTURE_LIMIT_MS = 24 * 3_600_000

/** Longest from the first event of a frame to its acknowledgement. */
export const FRAME_DEADLINE_MS = 10_000

/** How many events one kept event may stand for. */
export const MOST_WEIGHT = 1_000_000
/** Beyond ±this a number is not summed: so many sums of so many events never leave a double. */
export const MOST_SUMMED = 1e290

/** Defaults of a tenant. */
export const DEFAULT_LATENESS_HORIZON_MS = 10 * 60_000
export const DEFAULT_OUT_OF_ORDERNESS_MS = 5_000

/** Of metrics on sessions. */
export const DEFAULT_SESSION_GAP_MS = 30 * 60_000
/** Longest from the first to the last event of a session: one that goes on is cut here. */
export const MOST_SESSION_MS = 24 * 3_600_000

/** How long things are kept, in milliseconds. */
const DAY_MS = 86_400_000
export const RETENTION = {
  log: 7 * DAY_MS,
  settlements: 7 * DAY_MS,
  aggregates: DAY_MS,
  lateEvents: 14 * DAY_MS,
  rawEvents: 30 * DAY_MS,
  minlyAggs: 90 * DAY_MS,
  hourlyAggs: 365 * DAY_MS,
  sessionAggs: 365 * DAY_MS,
  corrections: 90 * DAY_MS,
  ledger: 365 * DAY_MS,
  /** Of events in the archive, by when they were received: the default of --archive-days. */
  archive: 365 * DAY_MS,
  /** Of markers in the OLAP store: only their arrival matters. */
  markers: DAY_MS / 24,
  /** Of windows in KV and in live views: shorter than an hour, and the others. See liveRetention. */
  liveShort: 2 * 3_600_000,
  liveLong: 2 * DAY_MS,
} as const

/** What an operator may keep longer or shorter than RETENTION says; milliseconds. */
export type Kept = Pick<
  Record<keyof typeof RETENTION, number>,
  | 'log'
  | 'settlements'
  | 'aggregates'
  | 'lateEvents'
  | 'rawEvents'
  | 'minlyAggs'
  | 'hourlyAggs'
  | 'sessionAggs'
  | 'archive'
>

const HOUR_MS = 3_600_000
/** How long windows of this size stay in KV and in live views after their last change and their end, milliseconds. */
export const liveRetention = (sizeMs: number): number => (sizeMs < HOUR_MS ? RETENTION.liveShort : RETENTION.liveLong)
