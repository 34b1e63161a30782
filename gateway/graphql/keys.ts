import { MillraceError } from '#schema/errors.ts'
import type { KeyKind } from '#schema/keys.ts'
import type { Builder } from './builder.ts'
import { need } from './rights.ts'

const addTypes = (builder: Builder) => {
  const kind = builder.enumType('KeyKind', { values: ['WRITE', 'READ', 'ANALYST', 'ADMIN'] as const })
  const input = builder.inputType('CreateKeyInput', {
    fields: (t) => ({
      tenant: t.string({ description: "Only the administrator's own, which is the default." }),
      kind: t.field({ type: kind, required: true }),
      label: t.string(),
      eventsPerSecond: t.int({
        description: 'Of all gateways together. 0: no limit. Default: that of the deployment.',
      }),
      bytesPerSecond: t.int({ description: 'The same in bytes of requests, after decompression.' }),
    }),
  })
  const created = builder
    .objectRef<{ id: string; secret: string; kind: KeyKind; tenant: string }>('CreatedKey')
    .implement({
      fields: (t) => ({
        id: t.exposeID('id'),
        secret: t.exposeString('secret', { description: 'Told this once.' }),
        kind: t.expose('kind', { type: kind }),
        tenant: t.exposeString('tenant'),
      }),
    })
  return { input, created }
}

export const addKeys = (builder: Builder): void => {
  const { input, created } = addTypes(builder)
  builder.mutationFields((t) => ({
    createKey: t.field({
      type: created,
      description: 'Needs admin rights.',
      args: { input: t.arg({ type: input, required: true }) },
      resolve: (_, { input: { tenant: named, label, ...rest } }, context) => {
        const { tenant } = need(context, 'ADMIN')
        if (named && named !== tenant)
          throw new MillraceError('FORBIDDEN', `The key administers ${tenant} alone. Use an ADMIN key of ${named}.`)
        return context.services.keys.create(tenant, { ...rest, label: label ?? '' })
      },
    }),
    revokeKey: t.boolean({
      description: 'Needs admin rights. Answers whether there was such a key.',
      args: { id: t.arg.id({ required: true }) },
      resolve: (_, { id }, context) => context.services.keys.revoke(need(context, 'ADMIN'), String(id)),
    }),
    limitKey: t.boolean({
      description:
        'Sets both limits of a key, as in createKey. Needs admin rights. Answers whether there is such a key.',
      args: { id: t.arg.id({ required: true }), eventsPerSecond: t.arg.int(), bytesPerSecond: t.arg.int() },
      resolve: (_, { id, ...limits }, context) =>
        context.services.keys.limit(need(context, 'ADMIN').tenant, String(id), limits),
    }),
  }))
}
