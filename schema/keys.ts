/** What a secret may do. It belongs to one tenant; all that it does or sees is that tenant's. */
export type KeyKind = 'WRITE' | 'READ' | 'ANALYST' | 'ADMIN'

/** Stored in KV bucket `keys` under the SHA-256 (hex) of the secret: the secret itself is kept nowhere. */
export interface KeyRecord {
  id: string
  tenant: string
  kind: KeyKind
  label: string
  createdAt: number
  /** What may be sent with it, of all gateways together; 0: no limit; absent: the limit of the deployment. */
  eventsPerSecond?: number
  bytesPerSecond?: number
}

/** KV bucket `deployment`, key `settings`: fixed for the life of a deployment. */
export interface Deployment {
  format: number
  id: string
  partitions: number
  /** Four secret words for identity hashes. */
  hashSeed: number[]
  createdAt: number
}
