import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** What the collector tells Prometheus. Tenants are no label: their number is not bounded. */
export const createCollectMetrics = (registry: Registry) => {
  const registers = [registry]
  return {
    accepted: new Counter({
      name: 'millrace_events_accepted_total',
      help: 'Events that were acknowledged after they were on disk',
      registers,
    }),
    refused: new Counter({
      name: 'millrace_events_refused_total',
      help: 'Events that were not accepted, by verdict code',
      labelNames: ['code'],
      registers,
    }),
    frames: new Counter({
      name: 'millrace_frames_total',
      help: 'Frames by what became of them: acknowledged, failed, expired before they were sent',
      labelNames: ['outcome'],
      registers,
    }),
    frameBytes: new Counter({ name: 'millrace_frame_bytes_total', help: 'Bytes of acknowledged frames', registers }),
    frameEvents: new Histogram({
      name: 'millrace_frame_events',
      help: 'Events in a frame',
      buckets: [1, 5, 20, 50, 100, 200, 500, 1000, 2000, 5000],
      registers,
    }),
    ackSeconds: new Histogram({
      name: 'millrace_ack_seconds',
      help: 'From a frame being sent to its acknowledgement',
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    waitingBytes: new Gauge({
      name: 'millrace_frames_waiting_bytes',
      help: 'Bytes in frames that are not acknowledged yet',
      registers,
    }),
  }
}

/** The same of the bytes in flight. `refused` counts requests whose body had no room. */
export const createAdmissionMetrics = (registry: Registry, usedBytes: () => number) => {
  new Gauge({
    name: 'millrace_in_flight_bytes',
    help: 'Bodies and answers under way, and events in frames that are not acknowledged yet',
    registers: [registry],
    collect() {
      this.set(usedBytes())
    },
  })
  return new Counter({
    name: 'millrace_bodies_refused_total',
    help: 'Requests that were refused before their body was read, since too much was in flight',
    registers: [registry],
  })
}

export type CollectMetrics = ReturnType<typeof createCollectMetrics>
