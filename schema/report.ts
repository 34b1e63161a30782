import type { Clock } from './checkpoint.ts'

/** What a processor says of each partition it owns, about once a second, over core NATS. */
export interface PartitionReport {
  partition: number
  owner: string
  epoch: number
  checkpoint: number
  /** Last settled log sequence. */
  sequence: number
  /** Messages of the log that are not settled yet. */
  pendingFrames: number
  /** Events in them: known of those that were read, estimated for the rest. */
  pendingEvents: number
  /** Age of the oldest message that is not settled; 0 when there is none. */
  lagSeconds: number
  clocks: Clock[]
  /** The owner's clock, milliseconds since 1970. */
  at: number
}

/** What the storage process says, about once a second and after every write. */
export interface StorageReport {
  positions: number[]
  /** Rows of the dead letters, of all tenants. */
  deadLetters: number
  deadLettersByTenant?: Record<string, number>
  at: number
}
