import type { Page, StoredCorrection } from '#schema/olap.ts'
import type { Builder } from './builder.ts'
import { askStore, requireFirst } from './paging.ts'
import { need } from './rights.ts'
import { readTime } from './scalars.ts'

const addTypes = (builder: Builder) => {
  const correction = builder.objectRef<StoredCorrection>('Correction').implement({
    description: 'A point that events have changed which came when their own clock had passed its end.',
    fields: (t) => ({
      metric: t.exposeString('metric'),
      windowStart: t.expose('windowStart', {
        type: 'DateTime',
        description: 'Of the slice or session: sliding windows are made of slices, and are not listed themselves.',
      }),
      windowEnd: t.expose('windowEnd', { type: 'DateTime' }),
      dimensions: t.field({
        type: t.listRef('String', { nullable: true }),
        description: 'Of a session its id comes first.',
        resolve: ({ dimensions }) => dimensions,
      }),
      at: t.expose('at', { type: 'DateTime', description: 'When the store took it.' }),
      from: t.exposeFloat('from', {
        nullable: true,
        description: 'Value of the stored point before; null where there was none, and for quantiles and topK.',
      }),
      to: t.exposeFloat('to', { nullable: true }),
      events: t.expose('events', { type: 'BigInt', description: 'How many events came late.' }),
    }),
  })
  return builder.objectRef<Page<StoredCorrection>>('CorrectionConnection').implement({
    fields: (t) => ({
      nodes: t.expose('nodes', { type: [correction] }),
      endCursor: t.expose('endCursor', { type: 'Cursor', nullable: true }),
      hasNextPage: t.exposeBoolean('hasNextPage'),
    }),
  })
}

export const addCorrections = (builder: Builder): void => {
  const connection = addTypes(builder)
  builder.queryFields((t) => ({
    corrections: t.field({
      type: connection,
      description: 'What late events have changed, by when it was stored; newest first.',
      args: {
        metric: t.arg.string(),
        from: t.arg({ type: 'DateTime', required: true }),
        to: t.arg({ type: 'DateTime', required: true }),
        first: t.arg.int({ defaultValue: 100 }),
        after: t.arg({ type: 'Cursor' }),
      },
      resolve: (_, { metric, from, to, first, after }, context) => {
        const { tenant } = need(context, 'READ')
        const query = {
          tenant,
          metric: metric ?? undefined,
          from: readTime('from', from),
          to: readTime('to', to),
          first: requireFirst(first),
          after: after ?? undefined,
        }
        return askStore(() => context.services.olap.corrections(query))
      },
    }),
  }))
}
