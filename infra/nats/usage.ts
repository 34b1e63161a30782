import type { UsageExchange } from '#gateway/ports.ts'
import type { UsageReport } from '#schema/report.ts'
import { USAGE_REPORT } from '#schema/subjects.ts'
import type { Broker } from './broker.ts'

/** Use of keys as gateways tell each other of it, by core messages. */
export const createUsageExchange = (broker: Broker): UsageExchange => ({
  publish: (report) => broker.notify(USAGE_REPORT, JSON.stringify(report)),
  onReport: (listener) => broker.listen(USAGE_REPORT, (text) => listener(JSON.parse(text) as UsageReport)).stop,
})
