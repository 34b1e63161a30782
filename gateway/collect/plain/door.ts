import type { Priority } from '#schema/builtin-schemas.ts'
import { partitionOf, partitionOfAscii } from '#schema/hash.ts'
import { EARLIEST_TIME_MS, FUTURE_LIMIT_MS } from '#schema/limits.ts'
import { Texts } from '#schema/scan/texts.ts'
import { uuidV7Time } from '#schema/time.ts'
import type { CheckedRequest, Door } from '../admit.ts'
import type { Enrichment } from '../enrich.ts'
import { PlainLine } from '../line-writer.ts'
import type { FrameTicket, NotTaken } from '../open-frames.ts'
import { FIELD, type PlainEvents } from './events.ts'
import { PlainTimes } from './time.ts'

const times = new PlainTimes()
const texts = new Texts()

/** sessionId ?? userId ?? anonymousId ?? id. */
const keyOf = (events: PlainEvents, event: number) => {
  if (events.start(event, FIELD.sessionId) !== 0) return FIELD.sessionId
  if (events.start(event, FIELD.userId) !== 0) return FIELD.userId
  return events.start(event, FIELD.anonymousId) !== 0 ? FIELD.anonymousId : FIELD.id
}

const isAscii = (data: Uint8Array, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) if (data[at] >= 0x80) return false
  return true
}

/**
 * Puts plain events of a request into frames without making anything of them. Of an event for which that will not do,
 * be it odd or wrong, it answers null: it is parsed, and what is wrong with it is found that way.
 */
export const createPlainDoor = (
  { checkSchema, frames, partitions, shedding }: Door,
  request: CheckedRequest,
  events: PlainEvents,
  enrich: (events: PlainEvents, event: number) => Enrichment,
) => {
  const { tenant, receivedAt, trace } = request
  const { data } = events
  const latest = receivedAt + FUTURE_LIMIT_MS
  const line = new PlainLine(request, events)

  const timeOf = (event: number): number => {
    const start = events.start(event, FIELD.time)
    if (start !== 0) return times.read(data, start, events.end(event, FIELD.time))
    return uuidV7Time(events.text(event, FIELD.id)) ?? receivedAt
  }
  const partitionAt = (start: number, end: number): number =>
    isAscii(data, start, end)
      ? partitionOfAscii(tenant, data, start, end, partitions)
      : partitionOf(tenant, data.toString('utf8', start, end), partitions)

  const weightOf = (priority: Priority, partition: number, start: number, end: number): number => {
    // Texts are made of the keys only of those that may be shed.
    if (!shedding || priority !== 'LOW') return 1
    return shedding.shed.weightOf(tenant, partition, data.toString('utf8', start, end), 'LOW')
  }

  return (event: number): FrameTicket | NotTaken | 'SHED' | null => {
    if (!events.isPlain(event)) return null
    const name = texts.read(data, events.start(event, FIELD.name), events.end(event, FIELD.name))
    const schema = checkSchema.plain(name)
    if (schema === null || !schema.check(events, event)) return null
    const time = timeOf(event)
    // Also of NaN.
    if (!(time >= EARLIEST_TIME_MS && time <= latest)) return null
    const key = keyOf(events, event)
    const [start, end] = [events.start(event, key), events.end(event, key)]
    const partition = partitionAt(start, end)
    const priority = shedding?.priorityOf(tenant, name) ?? 'NORMAL'
    const weight = weightOf(priority, partition, start, end)
    if (weight === 0) return 'SHED'
    const server = { time, weight, schema: schema.version, enrichment: enrich(events, event) }
    const isHigh = priority === 'HIGH'
    return frames.add({ partition, tenant, receivedAt, line: line.of(event, start, end, server), trace, isHigh })
  }
}
