import type { Received } from './ledger.ts'
import type { MetricDefinition } from './metric.ts'
import type { TraceHeaders } from './trace.ts'

/** Version of the log's format. A reader refuses a newer one. */
export const FRAME_FORMAT = 1

/**
 * A message of the log holds either events (newline-delimited JSON, one EventLine a line), or one control record that
 * takes effect at its place: a change of definitions, or a tick that raises watermarks of idle partitions.
 */
export type FrameKind = 'events' | 'control'

export type ControlRecord =
  | { kind: 'defineMetric'; tenant: string; metric: MetricDefinition }
  | { kind: 'deleteMetric'; tenant: string; name: string; version: number }
  | { kind: 'tenant'; tenant: string; version: number; latenessHorizonMs: number; outOfOrdernessMs: number }
  | { kind: 'tick'; clocks: TickClock[] }
  | ({ kind: 'marker' } & Marker)

/**
 * What a gateway sends along the way of the events, to see when it arrives: in its live view, and as a row that the OLAP
 * store answers. It counts nowhere and moves no clock. A later one of the same gateway and partition stands for all
 * before it.
 */
export interface Marker {
  /** Of one process: another start is another gateway. */
  gateway: string
  /** Grows with every marker of the gateway. */
  number: number
  /** The gateway's clock, milliseconds since 1970. */
  sentAt: number
}

/** A tick can only raise a watermark and say that a clock is idle, so a stale one is harmless. */
export interface TickClock {
  tenant: string
  source: string
  /** Milliseconds since 1970. */
  watermark: number
}

/** A message of the log as a reader gets it. */
export interface LogMessage extends TraceHeaders {
  sequence: number
  /** When the broker stored it, milliseconds since 1970. */
  storedAt: number
  kind: FrameKind
  /** What the frame's gateway received, as its headers say it; absent in what is no frame of events. */
  received?: Received[]
  /** No line at all in a frame that only carries counts. */
  data: Uint8Array
}

/** `tenant=3,other=2`: events of a frame by tenant, so that nobody needs to parse a frame to count it. */
export const encodeCounts = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([tenant, count]) => `${tenant}=${count}`).join(',')

/** The same, read again. */
export const decodeCounts = (text: string): [tenant: string, count: number][] =>
  [...text.matchAll(/([a-z][a-z0-9_]*)=(\d{1,9})/g)].map(([, tenant, count]) => [tenant, Number(count)])
