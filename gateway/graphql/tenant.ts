import type { Builder } from './builder.ts'
import type { TenantSettings } from './context.ts'
import { need } from './rights.ts'

export const addTenant = (builder: Builder): void => {
  // Until there is a registry, events without a schema are accepted as they are.
  const unknownEvents = builder.enumType('UnknownEvents', { values: ['ACCEPT'] as const })
  const tenant = builder.objectRef<TenantSettings & { name: string }>('Tenant').implement({
    fields: (t) => ({
      name: t.exposeString('name'),
      latenessHorizon: t.expose('latenessHorizonMs', { type: 'Duration' }),
      outOfOrderness: t.expose('outOfOrdernessMs', { type: 'Duration' }),
      unknownEvents: t.field({ type: unknownEvents, resolve: () => 'ACCEPT' as const }),
    }),
  })
  builder.queryFields((t) => ({
    tenant: t.field({
      type: tenant,
      resolve: (_, __, context) => {
        const key = need(context, 'READ')
        return { name: key.tenant, ...context.services.tenantSettings(key.tenant) }
      },
    }),
  }))
}
