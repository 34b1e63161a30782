import { randomUUID } from 'node:crypto'
import { MillraceError } from '#schema/errors.ts'
import type { KeyKind, KeyRecord } from '#schema/keys.ts'
import type { KeyBook, WallClock } from '../ports.ts'
import { hashSecret, newSecret } from './secret.ts'

export interface KeyLimits {
  /** 0: no limit; null: the limit of the deployment. */
  eventsPerSecond?: number | null
  bytesPerSecond?: number | null
}

interface NewKey extends KeyLimits {
  kind: KeyKind
  label: string
}

const limitsOf = ({ eventsPerSecond, bytesPerSecond }: KeyLimits): Pick<KeyRecord, keyof KeyLimits> => {
  for (const limit of [eventsPerSecond, bytesPerSecond]) {
    if (limit === null || limit === undefined || limit >= 0) continue
    throw new MillraceError('BAD_INPUT', `Expected a limit of 0 (none) or more a second, found ${limit}.`)
  }
  return { eventsPerSecond: eventsPerSecond ?? undefined, bytesPerSecond: bytesPerSecond ?? undefined }
}

/** Keys of a tenant, as its administrators change them. Gateways hear of a change by their watch, at once. */
export const createKeyAdmin = ({ keys, clock }: { keys: KeyBook; clock: WallClock }) => {
  const ofTenant = (tenant: string, id: string) => {
    const stored = keys.byId(id)
    return stored?.record.tenant === tenant ? stored : undefined
  }
  return {
    /** The secret is told this once. */
    async create(tenant: string, { kind, label, ...limits }: NewKey) {
      const secret = newSecret(kind)
      const record = { id: randomUUID(), tenant, kind, label, createdAt: clock.now(), ...limitsOf(limits) }
      await keys.put(hashSecret(secret), record)
      return { id: record.id, secret, kind, tenant }
    },
    /** Answers whether there was such a key. Throws FORBIDDEN for the key that asks: nobody locks itself out. */
    async revoke({ id: own, tenant }: KeyRecord, id: string): Promise<boolean> {
      if (id === own) throw new MillraceError('FORBIDDEN', 'A key cannot revoke itself. Use another ADMIN key.')
      const stored = ofTenant(tenant, id)
      if (stored) await keys.remove(stored.secretHash)
      return stored !== undefined
    },
    /** The limits from now on, both of them. Answers whether there is such a key. */
    async limit(tenant: string, id: string, limits: KeyLimits): Promise<boolean> {
      const changed = limitsOf(limits)
      const stored = ofTenant(tenant, id)
      if (stored) await keys.put(stored.secretHash, { ...stored.record, ...changed })
      return stored !== undefined
    },
  }
}

export type KeyAdmin = ReturnType<typeof createKeyAdmin>
