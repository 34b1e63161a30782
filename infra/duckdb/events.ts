import type { DuckDBConnection } from '@duckdb/node-api'
import type { EventsQuery, Page, RawEvent } from '#schema/olap.ts'
import { compileConditions } from './conditions.ts'
import { readPage } from './page.ts'

const object = (json: unknown): Record<string, unknown> | null =>
  typeof json === 'string' ? (JSON.parse(json) as Record<string, unknown>) : null

const toEvent = (row: unknown[]): RawEvent => {
  const [id, name, time, receivedAt, source, sessionId, userId, anonymousId, properties, context, country] = row
  return {
    id,
    name,
    time,
    receivedAt,
    source,
    sessionId,
    userId,
    anonymousId,
    properties: object(properties),
    context: object(context),
    country,
  } as RawEvent
}

/** Raw events of a tenant, newest first. The order is total, so that no page repeats or misses a row. */
export const readEvents = (connection: DuckDBConnection, query: EventsQuery): Promise<Page<RawEvent>> => {
  const { tenant, from, to, where, first, after } = query
  const conditions = compileConditions(where, 4)
  return readPage(
    connection,
    {
      from: 'raw_events',
      where: `tenant = $1 AND time >= epoch_ms($2::BIGINT) AND time < epoch_ms($3::BIGINT)${conditions.sql}`,
      values: [tenant, from, to, ...conditions.values],
      time: 'time',
      select: [
        'id',
        'name',
        'epoch_ms(time)::DOUBLE',
        'epoch_ms(received_at)::DOUBLE',
        'source',
        'session_id',
        'user_id',
        'anonymous_id',
        'properties',
        'context',
        'country',
      ],
      first,
      after,
    },
    toEvent,
  )
}
