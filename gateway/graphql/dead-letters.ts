import type { DeadLetterFilter, Page, StoredDeadLetter } from '#schema/olap.ts'
import type { Builder } from './builder.ts'
import { askStore, requireFirst } from './paging.ts'
import { need } from './rights.ts'
import { readTime } from './scalars.ts'

const addTypes = (builder: Builder) => {
  const deadLetter = builder.objectRef<StoredDeadLetter>('DeadLetter').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      code: t.exposeString('code'),
      message: t.exposeString('message'),
      path: t.exposeString('path', { nullable: true }),
      event: t.expose('event', { type: 'JSON' }),
      at: t.expose('at', { type: 'DateTime' }),
      watermark: t.expose('watermark', { type: 'DateTime', nullable: true }),
    }),
  })
  const connection = builder.objectRef<Page<StoredDeadLetter> & { total: number }>('DeadLetterConnection').implement({
    fields: (t) => ({
      nodes: t.expose('nodes', { type: [deadLetter] }),
      endCursor: t.expose('endCursor', { type: 'Cursor', nullable: true }),
      hasNextPage: t.exposeBoolean('hasNextPage'),
      total: t.expose('total', { type: 'BigInt' }),
    }),
  })
  const filter = builder.inputType('DeadLetterFilter', {
    fields: (t) => ({
      code: t.string(),
      name: t.string(),
      from: t.field({ type: 'DateTime' }),
      to: t.field({ type: 'DateTime' }),
      ids: t.idList(),
    }),
  })
  return { connection, filter }
}

interface FilterInput {
  code?: string | null
  name?: string | null
  from?: string | null
  to?: string | null
  ids?: string[] | null
}

const toFilter = ({ code, name, from, to, ids }: FilterInput): DeadLetterFilter => ({
  code: code ?? undefined,
  name: name ?? undefined,
  from: from ? readTime('from', from) : undefined,
  to: to ? readTime('to', to) : undefined,
  ids: ids ?? undefined,
})

export const addDeadLetters = (builder: Builder): void => {
  const { connection, filter } = addTypes(builder)
  builder.queryFields((t) => ({
    deadLetters: t.field({
      type: connection,
      args: {
        filter: t.arg({ type: filter }),
        first: t.arg.int({ defaultValue: 100 }),
        after: t.arg({ type: 'Cursor' }),
      },
      resolve: (_, args, context) => {
        const { tenant } = need(context, 'READ')
        const query = {
          tenant,
          filter: toFilter(args.filter ?? {}),
          first: requireFirst(args.first),
          after: args.after ?? undefined,
        }
        return askStore(() => context.services.olap.deadLetters(query))
      },
    }),
  }))
}
