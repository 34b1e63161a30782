import { PartitionFold } from '#processors/windows/fold.ts'
import type { Segment, SegmentRow } from '#schema/checkpoint.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import { emptySegment } from '#schema/segment.ts'
import { mergeSegments } from '#schema/segment-merge.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
/** Identities are of the last ten minutes, the default horizon; windows of twice as long. */
const HORIZON_MINUTES = 10
const WINDOW_MINUTES = 20
/** Checkpoints of ten minutes, one every 150 ms. */
const CHECKPOINTS = 4_000
/** Below the cap of 10,000. */
const MOST_SERIES_A_WINDOW = 9_000
/** As processors/runtime/compaction.ts merges. */
const [FIRST_LEVEL, HIGHER_LEVELS] = [32, 8]

export interface StateSize {
  series: number
  ids: number
}

/** State of one partition as its checkpoints and merges have left it: oldest first, highest level first. */
export interface BuiltState {
  segments: { level: number; segment: Segment }[]
  checkpoints: number
  series: number
  ids: number
  /** Where the watermark stands, milliseconds since 1970. */
  now: number
  definitions: MetricDefinition[]
}

const encoder = new TextEncoder()

const define = (name: string, sum: boolean): MetricDefinition => ({
  name,
  event: '*',
  where: [],
  measure: sum ? { kind: 'SUM', field: 'properties.bytes' } : { kind: 'COUNT' },
  dimensions: ['country', 'properties.path'],
  windows: [MINUTE, HOUR].map((sizeMs) => ({ kind: 'TUMBLING', sizeMs })),
  version: 1,
})

/** The same for every run. */
const createRandom = (seed: number) => (): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0
  return (seed >>> 0) / 0x1_0000_0000
}

const pathOf = (key: number): string => `/catalogue/section-${key % 97}/product-${key}`

export const eventLine = (id: string, key: number, time: number): string =>
  JSON.stringify({
    tenant: 'main',
    source: 'live',
    receivedAt: time,
    time,
    key: `session-${id}`,
    weight: 1,
    country: key % 2 ? 'NL' : 'DE',
    schema: 0,
    e: { id, name: 'page_view', properties: { path: pathOf(key), bytes: key } },
  })

/** Windows that are older than the horizon: nothing of them changes any more. */
const oldRows = (definitions: MetricDefinition[], keys: number, now: number): SegmentRow[] => {
  const rows: SegmentRow[] = []
  const first = Math.floor(now / MINUTE) - WINDOW_MINUTES + 1
  for (let minute = first; minute < first + WINDOW_MINUTES - HORIZON_MINUTES; minute++) {
    for (const { name: metric, version, measure } of definitions) {
      for (let key = 0; key < keys; key++) {
        rows.push({
          tenant: 'main',
          metric,
          version,
          size: MINUTE,
          start: minute * MINUTE,
          dims: [key % 2 ? 'NL' : 'DE', pathOf(key)],
          events: 40,
          corrections: 0,
          n: 40,
          ...(measure.kind === 'SUM' ? { sum: 40 * key } : {}),
          changed: 1,
          changedAt: (minute + 2) * MINUTE,
          revision: 30,
        })
      }
    }
  }
  return rows
}

/** Keeps segments as compaction does, all in memory. */
const createLevels = () => {
  const levels: Segment[][] = []
  const add = (level: number, segment: Segment): void => {
    levels[level] ??= []
    levels[level].push(segment)
    if (levels[level].length < (level === 0 ? FIRST_LEVEL : HIGHER_LEVELS)) return
    const merged = mergeSegments(levels[level])
    levels[level] = []
    add(level + 1, merged)
  }
  return {
    add,
    list: () => levels.flatMap((segments, level) => segments.map((segment) => ({ level, segment }))),
    top: () => levels.length - 1,
  }
}

/** Real events through the real fold, checkpoint by checkpoint; what came before them as rows. */
export const buildState = (size: StateSize): BuiltState => {
  const now = Math.floor(Date.now() / MINUTE) * MINUTE - 1_000
  const metrics = Math.max(2, Math.ceil(size.series / ((WINDOW_MINUTES + 1) * MOST_SERIES_A_WINDOW)))
  const keys = Math.max(1, Math.round(size.series / ((WINDOW_MINUTES + 1) * metrics)))
  const definitions = Array.from({ length: metrics }, (_, i) => define(`metric_${i}`, i % 2 === 1))
  const fold = new PartitionFold(Uint32Array.of(1, 2, 3, 4))
  for (const [i, metric] of definitions.entries()) {
    const record = JSON.stringify({ kind: 'defineMetric', tenant: 'main', metric })
    fold.apply({ sequence: i + 1, storedAt: now, kind: 'control', data: encoder.encode(record) })
  }
  const levels = createLevels()
  const random = createRandom(1)
  const checkpoints = Math.min(CHECKPOINTS, size.ids)
  const stepMs = (HORIZON_MINUTES * MINUTE) / checkpoints
  let events = 0
  for (let checkpoint = 1; checkpoint <= checkpoints; checkpoint++) {
    const time = Math.floor(now - HORIZON_MINUTES * MINUTE + checkpoint * stepMs)
    const lines: string[] = []
    for (; events < (size.ids * checkpoint) / checkpoints; events++) {
      lines.push(eventLine(`built-${events}`, Math.floor(random() * keys), time))
    }
    const data = encoder.encode(lines.join('\n'))
    fold.apply({ sequence: metrics + checkpoint, storedAt: time, kind: 'events', data })
    levels.add(0, fold.seal(checkpoint, time).segment)
  }
  const before: Segment = { ...emptySegment(), rows: oldRows(definitions, keys, now) }
  const segments = [
    { level: levels.top() + 1, segment: before },
    ...levels
      .list()
      .reverse()
      .sort((a, b) => b.level - a.level),
  ]
  const all = mergeSegments(segments.map(({ segment }) => segment))
  return { segments, checkpoints, series: all.rows.length, ids: events, now, definitions }
}
