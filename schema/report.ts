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
  /** Absent: of a processor that did not tell yet. */
  load?: PartitionLoad
  clocks: ClockReport[]
  /** Clocks that found no room in this report: what was said of them before holds, and the next reports bring them. */
  omitted?: number
  /** The owner's clock, milliseconds since 1970. */
  at: number
}

/** What load shedding is decided by. */
export interface PartitionLoad {
  /** How far the partition is behind: the time that what is pending takes at the present rate, and at most lagSeconds. */
  behindSeconds: number
  /** Events that are read, and that arrive in the log. */
  eventsPerSecond: number
  arrivingPerSecond: number
}

/** A clock, and for people why it stands where it stands. */
export interface ClockReport extends Clock {
  /** Absent: a tick raised it, or it stands where an owner before this one had left it. */
  pushedBy?: PushedBy
  ahead?: Ahead
  /** When its last event was read, milliseconds since 1970 by the owner's clock; absent: none since the take-over. */
  lastEventAt?: number
}

/** The event that moved a clock to where it stands. */
export interface PushedBy {
  id: string
  name: string
  key: string
  /** Event time, milliseconds since 1970. */
  time: number
  /** The time that counted: the least of event time, receipt and the broker's time. */
  counted: number
  /** Of its frame. */
  sequence: number
}

/** Events of one frame whose times were ahead of their receipt, and so pushed nobody. */
export interface Ahead {
  events: number
  /** The furthest of them, milliseconds. */
  byMs: number
  sequence: number
}

/** A processor says about once a second why it cannot own a partition. */
export interface PartitionRefusal {
  partition: number
  owner: string
  /** In words, with what to do. */
  reason: string
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

/** What a gateway was asked to take of each key that has a limit. Gateways tell each other, to share the limits. */
export interface UsageReport {
  gateway: string
  /** It stops: its share is free. */
  leaving?: true
  /** By id of the key: events and bytes a second, those that were refused included. Others sent nothing lately. */
  keys: Record<string, [eventsPerSecond: number, bytesPerSecond: number]>
}
