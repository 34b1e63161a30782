import type { OlapPart } from '#processors/ports.ts'
import type { AggregateRow, DefinitionState, LateEvent, SessionRow, Settlement } from '#schema/checkpoint.ts'
import type { ClientEvent, EventLine } from '#schema/event.ts'
import type { MeasureKind } from '#schema/metric.ts'
import { readLines } from './lines.ts'

const encoder = new TextEncoder()

/** 2024-05-01T12:00:00Z: the moment that tests start from. */
export const T0 = Date.UTC(2024, 4, 1, 12)
export const MINUTE = 60_000
export const HOUR = 3_600_000

type LineFields = Partial<Omit<EventLine, 'e'>> & { e?: Partial<ClientEvent> }

export const eventLine = (id: string, fields: LineFields = {}): EventLine => {
  const { e, ...server } = fields
  return {
    tenant: 'main',
    source: 'live',
    receivedAt: T0,
    time: T0,
    key: `session-${id}`,
    weight: 1,
    schema: 0,
    ...server,
    e: { id, name: 'page_view', ...e },
  }
}

export const lateEvent = (line: EventLine | null, fields: Partial<LateEvent> = {}): LateEvent => ({
  sequence: 1,
  index: 0,
  code: 'LATE',
  message: 'older than the horizon',
  watermark: T0,
  line,
  ...fields,
})

/** A delta of page_views per minute. */
export const aggregateRow = (fields: Partial<AggregateRow> = {}): AggregateRow => ({
  tenant: 'main',
  metric: 'page_views',
  version: 1,
  size: MINUTE,
  start: T0,
  dims: ['NL'],
  events: 1,
  corrections: 0,
  n: 1,
  ...fields,
})

/** Gap of the sessions of tests. */
export const GAP = 30 * MINUTE

/** The first row of a session of one page view. */
export const sessionRow = (fields: Partial<SessionRow> = {}): SessionRow => ({
  tenant: 'main',
  metric: 'page_views',
  version: 1,
  gap: GAP,
  source: 'live',
  session: 's',
  start: T0,
  end: T0 + GAP,
  dims: ['NL'],
  events: 1,
  corrections: 0,
  n: 1,
  revision: 1,
  ...fields,
})

export const definitionState = (
  name: string,
  kind: MeasureKind,
  { tenant = 'main', version = 1, deleted = false } = {},
): DefinitionState => ({
  tenant,
  deleted,
  definition: {
    name,
    event: 'page_view',
    where: [],
    measure: kind === 'COUNT' ? { kind } : { kind, field: 'properties.bytes' },
    dimensions: ['country'],
    windows: [{ kind: 'TUMBLING', sizeMs: MINUTE }],
    version,
  },
})

/** Outputs of one checkpoint of partition 0 that follows checkpoint - 1. Events are the lines of one frame. */
export const olapPart = (
  checkpoint: number,
  fields: Partial<OlapPart> & { events?: (EventLine | string)[] } = {},
): OlapPart => {
  const { events = [], ...rest } = fields
  const data = encoder.encode(events.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
  const frame = { sequence: checkpoint, storedAt: T0, kind: 'events' as const, data }
  const { counted } = readLines({ partition: 0, outcomes: {} } as unknown as Settlement, frame)
  return {
    partition: 0,
    after: checkpoint - 1,
    checkpoint,
    sequence: checkpoint,
    raw: counted.indexes.length > 0 ? [counted] : [],
    aggregates: [],
    sessions: [],
    replaced: [],
    late: [],
    duplicates: {},
    repeated: [],
    settled: [],
    definitions: [],
    markers: [],
    clocks: [],
    tenants: [],
    holes: [],
    ...rest,
  }
}
