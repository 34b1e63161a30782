import type { EventTail, MetricChange, OlapReader, TailCopy, WallClock } from '#gateway/ports.ts'
import type { EventLine } from '#schema/event.ts'
import { FUTURE_LIMIT_MS } from '#schema/limits.ts'
import type { MetricDefinition } from '#schema/metric.ts'
import type { Copies } from '#schema/olap.ts'
import { uuidV7Time } from '#schema/time.ts'
import { windowNames } from '#schema/window-names.ts'

/** The furthest that an event has come. */
export type EventStage = 'ACCEPTED' | 'COUNTED' | 'STORED' | 'LATE' | 'INVALID'

/** Times are milliseconds since 1970. */
export interface EventStatus {
  id: string
  stage: EventStage
  partition: number
  sequence: number
  windows: string[]
  reason: string | null
  occurrences: number
  searchedFrom: number
}

export interface EventStatusDependencies {
  olap: Pick<OlapReader, 'copies' | 'definitions'>
  tail: EventTail
  clock: WallClock
  /** How long the store keeps events, milliseconds. */
  keptMs: number
}

interface Found {
  stage: EventStage
  partition: number
  sequence: number
  /** Of an event that counted. */
  line?: EventLine
  /** Changes of metrics before it that the store may not have. */
  changes?: readonly MetricChange[]
  reason?: string
}

/** Until the dead letter is stored, which says it in full. */
const REASONS = {
  LATE: 'older than the watermark by more than the lateness horizon; the dead letter is being stored',
  INVALID: 'it cannot be folded; the dead letter is being stored',
} as const

/**
 * An event may have been received this much before the time in its id: clocks of clients are taken to be right to a day.
 * An id that is later than that tells no time.
 */
const searchedFrom = (id: string, around: number | undefined, now: number, keptMs: number): number => {
  const kept = now - keptMs
  const inId = uuidV7Time(id)
  const sent = around ?? (inId !== null && inId <= now + FUTURE_LIMIT_MS ? inId : null)
  return sent === null ? kept : Math.max(kept, sent - FUTURE_LIMIT_MS)
}

const fromTail = ({ partition, sequence, line, outcome, changes }: TailCopy): Found => {
  const place = { partition, sequence }
  switch (outcome) {
    case 'C':
      return { ...place, stage: 'COUNTED', line, changes }
    case 'L':
      return { ...place, stage: 'LATE', reason: REASONS.LATE }
    case 'I':
      return { ...place, stage: 'INVALID', reason: REASONS.INVALID }
    // A copy of one that counted, whose own row is gone by now.
    case 'D':
      return { ...place, stage: 'COUNTED' }
    default:
      return { ...place, stage: 'ACCEPTED' }
  }
}

const fromStore = ({ stored, deadLetter, duplicate }: Copies): Found[] => [
  ...(stored ? [{ ...stored, stage: 'STORED' as const }] : []),
  ...(deadLetter
    ? [
        {
          ...deadLetter,
          stage: deadLetter.code === 'LATE' ? ('LATE' as const) : ('INVALID' as const),
          reason: deadLetter.message,
        },
      ]
    : []),
  ...(duplicate ? [{ ...duplicate, stage: 'COUNTED' as const }] : []),
]

const RANK: Record<EventStage, number> = { ACCEPTED: 0, INVALID: 2, LATE: 3, COUNTED: 4, STORED: 5 }
/** Of a copy one knows that another counted; a dead letter that is there says more. */
const rank = ({ stage, line }: Found): number => (stage === 'COUNTED' && !line ? 1 : RANK[stage])
const further = (a: Found, b: Found): Found => (rank(b) > rank(a) ? b : a)

/** Definitions in force after the changes; one that the store has already, or a later one, stays. */
const changed = (definitions: readonly MetricDefinition[], changes: readonly MetricChange[]): MetricDefinition[] => {
  const byName = new Map(definitions.map((definition) => [definition.name, definition]))
  for (const { name, version, definition } of changes) {
    if ((byName.get(name)?.version ?? 0) >= version) continue
    if (definition) byName.set(name, definition)
    else byName.delete(name)
  }
  return [...byName.values()]
}

/**
 * What became of one event: first the store, which says up to where of each log it has everything, then the rest of the
 * logs. An event that was acknowledged before the question is in one or the other. Null when there is none.
 */
export const createEventStatus =
  ({ olap, tail, clock, keptMs }: EventStatusDependencies) =>
  async (tenant: string, id: string, around?: number): Promise<EventStatus | null> => {
    const from = searchedFrom(id, around, clock.now(), keptMs)
    const copies = await olap.copies({ tenant, id, from })
    const waiting = await tail.find(tenant, id, copies.sequences)
    const all = [...fromStore(copies), ...waiting.map(fromTail)]
    if (all.length === 0) return null
    const { stage, partition, sequence, line, changes = [], reason = null } = all.reduce(further)
    const definitions = line ? changed(await olap.definitions({ tenant, partition, sequence }), changes) : []
    return {
      id,
      stage,
      partition,
      sequence,
      windows: line ? windowNames(definitions, line) : [],
      reason,
      occurrences: copies.occurrences + waiting.length,
      searchedFrom: from,
    }
  }

export type ReadEventStatus = ReturnType<typeof createEventStatus>
