import { Gauge, type Registry } from 'prom-client'
import { type Config, druidOf } from '#infra/config.ts'
import { createDruidClient } from '#infra/druid/client.ts'
import { createDruidOlap } from '#infra/druid/olap.ts'
import { keptBy } from '#infra/retention.ts'
import type { Logger } from '#processors/ports.ts'
import type { OlapService } from '#schema/olap.ts'
import { watchDruid } from './druid-health.ts'
import { followPositions } from './druid-positions.ts'
import { keepExpiring } from './druid-retention.ts'
import { keepApplying } from './druid-specs.ts'

/** Below the patience of who asks over NATS, so that he hears why. */
const QUESTION_MS = 8_000

/** What answers the questions to the store. */
export interface AnsweringStore {
  olap: OlapService
  /** How far it is, as far as is known. */
  positions(): readonly number[]
  /** Something was written to the books: looks how far it is soon. */
  look(): void
  problems(): string[]
  stop(): Promise<void>
}

interface DruidStoreDeps {
  /** The newest checkpoint of a partition. */
  newest(partition: number): Promise<number>
  config: Config
  /** Of DuckDB, which goes on being written. */
  books: OlapService
  /** How far the books are. */
  written: () => readonly number[]
  partitions: number
  registry: Registry
  logger: Logger
  /** Told when Druid has got further. */
  onPositions: (positions: readonly number[]) => void
}

const measure = (registry: Registry, positions: () => readonly number[]): void => {
  new Gauge({
    name: 'millrace_druid_checkpoint',
    help: 'Last checkpoint of each partition that Druid answers from',
    labelNames: ['partition'],
    registers: [registry],
    collect() {
      for (const [partition, checkpoint] of positions().entries()) this.set({ partition }, checkpoint)
    },
  })
}

/** Druid as the store, where the settings say so; null where DuckDB is. */
export const startDruidStore = (deps: DruidStoreDeps): AnsweringStore | null => {
  const url = druidOf(deps.config)
  if (url === null) return null
  const client = createDruidClient({ url, timeoutMs: QUESTION_MS })
  const olap = createDruidOlap({ ...deps, client })
  const specs = keepApplying(url, deps.config, deps.logger)
  const follow = followPositions({ ...deps, olap })
  const health = watchDruid(url)
  measure(deps.registry, follow.positions)
  const retention = keepExpiring(url, keptBy(deps.config), deps.logger)
  return {
    olap,
    positions: follow.positions,
    look: follow.look,
    problems: () => [...specs.problems(), ...follow.problems(), ...health.problems()],
    async stop() {
      await Promise.all([follow.stop(), specs.stop(), health.stop(), retention.stop()])
    },
  }
}
