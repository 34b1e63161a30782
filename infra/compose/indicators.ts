import type { Registry } from 'prom-client'
import { createIndicators, type Indicators } from '#gateway/indicators/indicators.ts'
import type { Intake } from '#gateway/indicators/intake.ts'
import { createMarkers } from '#gateway/indicators/markers.ts'
import { createArrivalMetrics, measureIndicators } from '#gateway/indicators/metrics.ts'
import type { LiveView } from '#gateway/live/live-view.ts'
import type { LogWriter, Reports } from '#gateway/ports.ts'
import type { Nats } from '#infra/nats/connect.ts'
import { createOlapClient } from '#infra/nats/olap-client.ts'

/** A store that died with a question is asked again after this long, and not after the patience of a reader. */
const MARKER_QUESTION_MS = 2_000

interface IndicatorDependencies {
  nats: Nats
  log: LogWriter
  reports: Reports
  view: LiveView
  intake: Intake
  registry: Registry
  gateway: string
  partitions: number
  markerMs: number
}

/** Markers from now on, and the indicators on /metrics. */
export const composeIndicators = (dependencies: IndicatorDependencies): { indicators: Indicators; stop(): void } => {
  const { nats, log, reports, view, intake, registry, gateway, partitions, markerMs } = dependencies
  const clock = { now: Date.now, monotonic: () => performance.now() }
  const markers = createMarkers({
    log,
    olap: createOlapClient(nats, { timeoutMs: MARKER_QUESTION_MS }),
    reports,
    view,
    clock,
    gateway,
    partitions,
    intervalMs: markerMs,
    onArrival: createArrivalMetrics(registry),
  })
  const indicators = createIndicators({ markers, intake, reports, clock })
  measureIndicators(registry, indicators, markers)
  return { indicators, stop: markers.stop }
}
