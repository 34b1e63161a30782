import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { hashSecret, newSecret } from '#gateway/keys/secret.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { putKey } from '#infra/nats/keys.ts'
import type { KeyKind } from '#schema/keys.ts'
import { BUCKETS } from '#schema/subjects.ts'
import { readJson, writeJson } from './data-folder.ts'

/** keys.json in the data folder. */
export interface Keys {
  writeKey: string
  readToken: string
  adminToken: string
}

const TENANT = 'main'
const KINDS: Record<keyof Keys, KeyKind> = { writeKey: 'WRITE', readToken: 'READ', adminToken: 'ADMIN' }

/**
 * The keys of the first start, made when keys.json is missing. Keys that the deployment has never heard of (its data
 * was removed, or it is another server) are told to it; revoked ones stay revoked.
 */
export const ensureKeys = async (nats: Nats, folder: string): Promise<Keys> => {
  const file = join(folder, 'keys.json')
  const found = await readJson<Keys>(file)
  const keys = found ?? { writeKey: newSecret('WRITE'), readToken: newSecret('READ'), adminToken: newSecret('ADMIN') }
  const bucket = await nats.kvm.open(BUCKETS.keys)
  for (const [name, kind] of Object.entries(KINDS) as [keyof Keys, KeyKind][]) {
    const hash = hashSecret(keys[name])
    if ((await bucket.get(hash)) !== null) continue
    await putKey(nats.broker, hash, {
      id: randomUUID(),
      tenant: TENANT,
      kind,
      label: 'first start',
      createdAt: Date.now(),
    })
  }
  // Only now: a file that stands names keys that work.
  if (!found) await writeJson(file, keys, 0o600)
  return keys
}
