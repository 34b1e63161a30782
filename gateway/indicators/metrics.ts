import { Gauge, Histogram, type Registry } from 'prom-client'
import type { Indicators } from './indicators.ts'
import type { Markers } from './markers.ts'

const BUCKETS = [0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2, 5, 10, 30, 60, 300]

/** Where markers arrive, for Prometheus. */
export const createArrivalMetrics = (registry: Registry): ((where: 'shown' | 'stored', seconds: number) => void) => {
  const histogram = (name: string, help: string) =>
    new Histogram({ name, help, buckets: BUCKETS, registers: [registry] })
  const arrivals = {
    shown: histogram(
      'dashboard_latency_seconds',
      'From the fsynced acknowledgement of a marker to the live view that subscriptions are told of',
    ),
    stored: histogram(
      'event_processing_latency_seconds',
      'From the fsynced acknowledgement of a marker to its row in an answer of the OLAP store',
    ),
  }
  return (where, seconds) => arrivals[where].observe(seconds)
}

/** The indicators, read when Prometheus asks. NaN: not known yet. */
export const measureIndicators = (
  registry: Registry,
  indicators: Indicators,
  markers: Pick<Markers, 'oldest'>,
): void => {
  const gauge = (name: string, help: string, read: () => number | null): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read() ?? Number.NaN)
      },
    })
  }
  gauge(
    'event_processing_latency_p99',
    'Seconds from the fsynced acknowledgement of a marker to its row in an answer of the OLAP store: P99 of the last 5 minutes, markers that are still on their way with their age',
    indicators.eventProcessingLatencyP99,
  )
  gauge(
    'consumer_lag_seconds',
    'Age of the oldest message of the log that no checkpoint has settled: the highest that processors report, and of the markers of this gateway',
    indicators.consumerLagSeconds,
  )
  gauge(
    'dashboard_freshness_lag',
    'Seconds that the live view, which subscriptions show, is behind the log: age of the oldest marker that is not in it; never below consumer_lag_seconds',
    indicators.dashboardFreshnessLag,
  )
  gauge(
    'event_drop_rate',
    'Share (0 to 1) of the events received in the last minute that were right and not taken: OVERLOADED, SHED, or not confirmed in time. Events that validation rejects are received, but no drops',
    indicators.eventDropRate,
  )
  gauge(
    'dlq_event_count',
    'Dead letters in the OLAP store, of all tenants, as it last said (see dlq_event_count_age_seconds)',
    () => indicators.dlqEventCount(),
  )
  gauge(
    'dlq_event_count_age_seconds',
    'Seconds since the OLAP store last said how many dead letters it has',
    indicators.dlqAgeSeconds,
  )
  new Gauge({
    name: 'marker_age_seconds',
    help: 'Age of the oldest marker that has not arrived: settled by a processor, shown by the live view, stored as a row; 0 when all have',
    labelNames: ['waits_for'],
    registers: [registry],
    collect() {
      for (const [place, seconds] of Object.entries(markers.oldest())) this.set({ waits_for: place }, seconds)
    },
  })
}
