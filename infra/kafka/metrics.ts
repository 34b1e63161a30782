import { Counter, Gauge, type Registry } from 'prom-client'
import type { RefusalReason } from './refusal.ts'

export interface KafkaMetrics {
  request(api: string): void
  /** Bytes of an answer. */
  sent(bytes: number): void
  records(topic: string, records: number, bytes: number): void
  refused(reason: RefusalReason): void
}

/** What is measured when somebody looks. */
export interface KafkaGauges {
  connections(): number
  bytesInFlight(): number
  cacheBytes(): number
  ends(): { topic: string; partition: number; end: number }[]
  /** Of each partition that somebody reads: how far the last reader is from its end. */
  lags(): { topic: string; partition: number; lag: number }[]
}

export const createKafkaMetrics = (registry: Registry): KafkaMetrics => {
  const registers = [registry]
  const requests = new Counter({
    name: 'millrace_kafka_requests_total',
    help: 'Requests that were answered',
    labelNames: ['api'],
    registers,
  })
  const sent = new Counter({ name: 'millrace_kafka_sent_bytes_total', help: 'Bytes of all answers', registers })
  const labelNames = ['topic']
  const records = new Counter({
    name: 'millrace_kafka_records_total',
    help: 'Records that were sent',
    labelNames,
    registers,
  })
  const bytes = new Counter({
    name: 'millrace_kafka_record_bytes_total',
    help: 'Bytes of the records that were sent',
    labelNames,
    registers,
  })
  const refused = new Counter({
    name: 'millrace_kafka_refused_total',
    help: 'Connections and requests that were refused or ended',
    labelNames: ['reason'],
    registers,
  })
  return {
    request: (api) => requests.inc({ api }),
    sent: (count) => sent.inc(count),
    records(topic, count, size) {
      records.inc({ topic }, count)
      bytes.inc({ topic }, size)
    },
    refused: (reason) => refused.inc({ reason }),
  }
}

export const registerKafkaGauges = (registry: Registry, gauges: KafkaGauges): void => {
  const single = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read())
      },
    })
  }
  single('millrace_kafka_connections', 'Connections that are open', gauges.connections)
  single('millrace_kafka_bytes_in_flight', 'Bytes of requests and answers in memory', gauges.bytesInFlight)
  single('millrace_kafka_cache_bytes', 'Bytes of the newest records in memory', gauges.cacheBytes)
  const labelNames = ['topic', 'partition']
  new Gauge({
    name: 'millrace_kafka_end_offset',
    help: 'Offset behind the last record of each partition',
    labelNames,
    registers: [registry],
    collect() {
      for (const { topic, partition, end } of gauges.ends()) this.set({ topic, partition }, end)
    },
  })
  new Gauge({
    name: 'millrace_kafka_lag_offsets',
    help: 'How far the last one of the connected readers of a partition is from its end, in offsets',
    labelNames,
    registers: [registry],
    collect() {
      this.reset()
      for (const { topic, partition, lag } of gauges.lags()) this.set({ topic, partition }, lag)
    },
  })
}
