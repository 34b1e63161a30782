import { compileWhere } from '#schema/compile-metric.ts'
import { MillraceError } from '#schema/errors.ts'
import { type EventLine, isField, PLAIN_FIELDS } from '#schema/event.ts'
import type { Condition } from '#schema/metric.ts'
import type { RawEvent } from '#schema/olap.ts'
import type { SqlValue } from './client.ts'

/** Of SELECT, in the order that toStored reads. */
export const EVENT_COLUMNS = `TIMESTAMP_TO_MILLIS(__time), "id", "partition", "sequence", session_id, "source", "name",
  received_at, user_id, anonymous_id, properties, context, country, browser, os, device,
  weight, schema_version`

/** An event as the store has it, and its place in the order: newest first, then by what tells events of one time apart. */
export interface StoredEvent {
  line: EventLine
  key: (string | number)[]
}

/** JSON text; to_json_string of nothing may be null in words. */
const object = (json: unknown): Record<string, unknown> | undefined =>
  typeof json === 'string' && json !== 'null' ? (JSON.parse(json) as Record<string, unknown>) : undefined

const given = (value: unknown): string | undefined => (value === null ? undefined : (value as string))

export const toStored = (tenant: string, row: readonly unknown[]): StoredEvent => {
  const [time, id, partition, sequence, session, source, name, receivedAt, userId, anonymousId] = row
  const [properties, context, country, browser, os, device, weight, schema] = row.slice(10)
  return {
    key: [time, id, partition, sequence, session, source] as (string | number)[],
    line: {
      tenant,
      source: source as string,
      receivedAt: receivedAt as number,
      time: time as number,
      key: session as string,
      weight: weight as number,
      schema: schema as number,
      country: given(country),
      browser: given(browser),
      os: given(os),
      device: given(device),
      e: {
        id: id as string,
        name: name as string,
        userId: given(userId),
        anonymousId: given(anonymousId),
        properties: object(properties),
        context: object(context),
      },
    },
  }
}

export const toRawEvent = ({ time, receivedAt, source, key, country, e }: EventLine): RawEvent => ({
  id: e.id,
  name: e.name,
  time,
  receivedAt,
  source,
  sessionId: key,
  userId: e.userId ?? null,
  anonymousId: e.anonymousId ?? null,
  properties: e.properties ?? null,
  context: e.context ?? null,
  country: country ?? null,
})

const COLUMNS: Record<string, string> = {
  name: '"name"',
  country: 'country',
  browser: 'browser',
  os: 'os',
  device: 'device',
  userId: 'user_id',
  anonymousId: 'anonymous_id',
  sessionId: 'session_id',
}

interface Where {
  /** Holds of every event that matches, and maybe of others. */
  sql: string
  values: SqlValue[]
  matches(line: EventLine): boolean
}

const isText = (value: unknown): value is string => typeof value === 'string'

/**
 * Conditions mean what they mean for metrics, so the same code decides: Druid does not know the type of a property. What
 * it can decide by an index it decides before.
 */
export const eventConditions = (where: readonly Condition[]): Where => {
  for (const { field } of where) {
    if (isField(field)) continue
    const expected = `one of ${PLAIN_FIELDS.join(', ')}, properties.<path>, context.<path>`
    throw new MillraceError('BAD_INPUT', `unknown field ${JSON.stringify(field)}: expected ${expected}`)
  }
  const values: SqlValue[] = []
  const sql = where.flatMap(({ field, op, value }) => {
    const column = COLUMNS[field]
    const wanted = op === 'EQ' ? [value] : op === 'IN' && Array.isArray(value) ? value : []
    if (!column || wanted.length === 0 || !wanted.every(isText)) return []
    values.push(...wanted)
    return [` AND ${column} IN (${wanted.map(() => '?').join(', ')})`]
  })
  return { sql: sql.join(''), values, matches: compileWhere(where) }
}
