import type { SpanContext } from '@opentelemetry/api'
import { type ClientEvent, eventKey } from '#schema/event.ts'
import { partitionOf } from '#schema/hash.ts'
import { LIMITS } from '#schema/limits.ts'
import type { Shed } from '../shedding/shed.ts'
import { Admitted, type Placed } from './admitted.ts'
import type { Enricher, Enrichment } from './enrich.ts'
import { createLineWriter } from './line-writer.ts'
import type { OpenFrames } from './open-frames.ts'
import type { Over } from './over-limit.ts'
import { parseEvent } from './parse.ts'
import { createPlainDoor } from './plain/door.ts'
import { FIELD, PlainEvents } from './plain/events.ts'
import type { PriorityOf } from './priority.ts'
import type { SentEvents } from './read-events.ts'
import { createNotTaken, type ProblemOfNotTaken, tooLarge } from './receipt.ts'
import type { SchemaCheck } from './schema-check.ts'
import { isProblem, readId, validate } from './validate.ts'
import type { EventProblem } from './verdict.ts'

/** What every event passes on its way into a frame. */
export interface Door {
  enricher: Enricher
  checkSchema: SchemaCheck
  frames: Pick<OpenFrames, 'add' | 'retryAfterMs'>
  partitions: number
  /** What is kept of events of low priority; none: all of them. */
  shedding?: Shedding
}

interface Shedding {
  shed: Pick<Shed, 'weightOf'>
  priorityOf: PriorityOf
}

/** A request whose source is known to be one. */
export interface CheckedRequest extends SentEvents {
  tenant: string
  source: string
  /** Milliseconds since 1970. */
  receivedAt: number
  address?: string
  userAgent?: string
  trace?: SpanContext
  /** Events that the key may not send now. */
  over?: Over | null
}

/** Puts the events of a request into frames: plain ones as they stand in its body, the others after they were parsed. */
export const admit = (door: Door, request: CheckedRequest): Admitted => {
  const { events, problems, over } = request
  const enrich = door.enricher(request.source, request)
  const notTaken = createNotTaken(door.frames.retryAfterMs)
  const admitValue = createValueDoor(door, request, enrich.value, notTaken)
  if (events instanceof PlainEvents) {
    const admitPlainEvent = createPlainDoor(door, request, events, enrich.plain)
    return admitPlain(events, over, { admitPlainEvent, admitValue, notTaken })
  }
  const admitted = new Admitted(() => '')
  for (const [index, value] of events.entries()) {
    if (over && index >= over.from) admitted.refuse(over.problem, readId(value))
    else admitted.add(admitValue(value, problems?.get(index)))
  }
  return admitted
}

interface PlainDoors {
  admitPlainEvent: ReturnType<typeof createPlainDoor>
  admitValue: ReturnType<typeof createValueDoor>
  notTaken: ProblemOfNotTaken
}

const admitPlain = (
  events: PlainEvents,
  over: Over | null | undefined,
  { admitPlainEvent, admitValue, notTaken }: PlainDoors,
): Admitted => {
  const admitted = new Admitted((index) => events.text(index, FIELD.id))
  const end = over?.from ?? events.length
  for (let index = 0; index < end; index++) {
    const taken = admitPlainEvent(index)
    if (taken === null) {
      const { value, problem } = parseEvent(events.text(index, FIELD.event))
      admitted.add(admitValue(value, problem))
    } else if (typeof taken === 'string') admitted.refuse(notTaken(taken))
    else admitted.take(taken)
  }
  for (let index = end; over && index < events.length; index++) {
    const isPlain = events.isPlain(index)
    admitted.refuse(over.problem, isPlain ? undefined : readId(parseEvent(events.text(index, FIELD.event)).value))
  }
  return admitted
}

/** Checks one value after the other and writes what is an event. */
const createValueDoor = (
  { checkSchema, frames, partitions, shedding }: Door,
  request: CheckedRequest,
  enrich: (event: ClientEvent) => Enrichment,
  notTaken: ProblemOfNotTaken,
) => {
  const { tenant, receivedAt, trace } = request
  /** Most requests have no event that needs it. */
  let writeLine: ReturnType<typeof createLineWriter> | undefined
  return (value: unknown, problem: EventProblem | undefined): Placed => {
    const validated = problem ?? validate(value, receivedAt, checkSchema)
    if (isProblem(validated)) return { id: readId(value), problem: validated }
    const { event, time, schema } = validated
    const { id } = event
    const enrichment = enrich(event)
    const text = JSON.stringify(event)
    const bytes = Buffer.byteLength(text)
    if (bytes > LIMITS.eventBytes) return { id, problem: tooLarge(bytes) }
    const key = eventKey(event)
    const partition = partitionOf(tenant, key, partitions)
    const priority = shedding?.priorityOf(tenant, event.name) ?? 'NORMAL'
    const weight = shedding?.shed.weightOf(tenant, partition, key, priority) ?? 1
    if (weight === 0) return { id, problem: notTaken('SHED') }
    writeLine ??= createLineWriter(request)
    const line = writeLine(event, text, { time, weight, schema, enrichment })
    const ticket = frames.add({ partition, tenant, receivedAt, line, trace, isHigh: priority === 'HIGH' })
    return typeof ticket === 'string' ? { id, problem: notTaken(ticket) } : { id, ticket }
  }
}
