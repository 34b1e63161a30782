import type { BuiltinSchema, Priority } from '#schema/builtin-schemas.ts'

/** Priority of a tenant's events of this name. Asked for every event. */
export type PriorityOf = (tenant: string, name: string) => Priority

export interface PriorityDependencies {
  schemas: readonly Pick<BuiltinSchema, 'name' | 'priority'>[]
  /** Names of events that are so whatever their schema says: the operator's word. No name is in both. */
  high: readonly string[]
  low: readonly string[]
}

/** Events that nobody has said anything of are NORMAL. */
export const createPriorities = ({ schemas, high, low }: PriorityDependencies): PriorityOf => {
  const byName = new Map<string, Priority>(schemas.map(({ name, priority }) => [name, priority]))
  for (const name of high) byName.set(name, 'HIGH')
  for (const name of low) byName.set(name, 'LOW')
  return (_tenant, name) => byName.get(name) ?? 'NORMAL'
}
