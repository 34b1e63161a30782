import type { Page, RawEvent } from '#schema/olap.ts'
import type { Builder } from './builder.ts'
import { type Conditions, requireFields, toConditions } from './conditions.ts'
import { askStore, requireFirst } from './paging.ts'
import { need } from './rights.ts'
import { readTime } from './scalars.ts'

const addEventTypes = (builder: Builder) => {
  const event = builder.objectRef<RawEvent>('Event').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      name: t.exposeString('name'),
      time: t.expose('time', { type: 'DateTime' }),
      receivedAt: t.expose('receivedAt', { type: 'DateTime' }),
      sessionId: t.exposeString('sessionId'),
      userId: t.exposeString('userId', { nullable: true }),
      properties: t.expose('properties', { type: 'JSON', nullable: true }),
      context: t.expose('context', { type: 'JSON', nullable: true }),
      country: t.exposeString('country', { nullable: true }),
    }),
  })
  return builder.objectRef<Page<RawEvent>>('EventConnection').implement({
    fields: (t) => ({
      nodes: t.expose('nodes', { type: [event] }),
      endCursor: t.expose('endCursor', { type: 'Cursor', nullable: true }),
      hasNextPage: t.exposeBoolean('hasNextPage'),
    }),
  })
}

export const addEvents = (builder: Builder, conditions: Conditions): void => {
  const connection = addEventTypes(builder)
  builder.queryFields((t) => ({
    events: t.field({
      type: connection,
      description: 'Raw events, newest first.',
      args: {
        from: t.arg({ type: 'DateTime', required: true }),
        to: t.arg({ type: 'DateTime', required: true }),
        where: t.arg({ type: [conditions.input] }),
        first: t.arg.int({ defaultValue: 100 }),
        after: t.arg({ type: 'Cursor' }),
      },
      resolve: (_, { from, to, where, first, after }, context) => {
        const { tenant } = need(context, 'READ')
        const query = {
          tenant,
          from: readTime('from', from),
          to: readTime('to', to),
          where: [...requireFields(toConditions(where))],
          first: requireFirst(first),
          after: after ?? undefined,
        }
        return askStore(() => context.services.olap.events(query))
      },
    }),
  }))
}
