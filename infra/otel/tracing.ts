import type { Tracer } from '@opentelemetry/api'
import { NO_TRACER } from '#schema/spans.ts'

/** How long a stop waits for a collector that does not answer. */
export const STOP_TRACING_MS = 2_000

export interface TracingOptions {
  /** Address of a collector that takes OTLP over HTTP; no spans are made without one. */
  endpoint: string | undefined
  /** Share of the requests without a trace of their own that begin one. */
  ratio: number
  /** Of this kind of process: millrace-gateway. */
  service: string
  /** Of this very process. */
  instance: string
  logger: { warn(fields: object, message: string): void; info(fields: object, message: string): void }
}

export interface Tracing {
  tracer: Tracer
  /** Whether spans are made at all. */
  isOn: boolean
  /** Sends the spans that have ended, as far as the collector takes them within STOP_TRACING_MS. */
  stop(): Promise<void>
}

/** The tracer of a process. The SDK is loaded only where somebody wants spans. */
export const startTracing = async (options: TracingOptions): Promise<Tracing> => {
  const { endpoint } = options
  if (endpoint === undefined) return { tracer: NO_TRACER, isOn: false, stop: async () => {} }
  const { startSdk } = await import('./sdk.ts')
  return startSdk({ ...options, endpoint })
}
