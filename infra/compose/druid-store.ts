import { type Config, druidOf } from '#infra/config.ts'
import { applySpecs } from '#infra/druid/apply.ts'
import { createDruidClient } from '#infra/druid/client.ts'
import { createManagement } from '#infra/druid/management.ts'
import { createDruidOlap } from '#infra/druid/olap.ts'
import { readSpecs } from '#infra/druid/specs.ts'
import { parseAddresses } from '#infra/kafka/addresses.ts'
import type { Logger } from '#processors/ports.ts'
import type { OlapService, Positions } from '#schema/olap.ts'
import { reachableHost } from './welcome.ts'

/** Below the patience of who asks over NATS, so that he hears why. */
const QUESTION_MS = 8_000
const APPLY_AGAIN_MS = 5_000
const LOOK_MS = 1_000

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
  config: Config
  /** Of DuckDB, which goes on being written. */
  books: OlapService
  /** How far the books are. */
  written: () => readonly number[]
  partitions: number
  logger: Logger
  /** Told when Druid has got further. */
  onPositions: (positions: readonly number[]) => void
}

/** Where Druid finds the Kafka servers; null where this process cannot tell it all that it needs. */
const kafkaOf = ({ kafkaAdvertise, kafkaPort, kafkaUsers, host }: Config): string | null => {
  if (kafkaUsers !== undefined) return null
  if (kafkaAdvertise !== undefined) {
    return parseAddresses(kafkaAdvertise)
      .map((one) => `${one.host}:${one.port}`)
      .join(',')
  }
  return kafkaPort === undefined ? null : `${reachableHost(host)}:${kafkaPort}`
}

/** Applies the specs until Druid has them. Answers what is in the way. */
const keepApplying = (url: string, { config, logger }: DruidStoreDeps) => {
  const kafka = kafkaOf(config)
  let problem: string | null = null
  let timer: NodeJS.Timeout | undefined
  let underWay = Promise.resolve()
  const stopping = new AbortController()
  const apply = async (): Promise<void> => {
    try {
      const druid = createManagement({ url, signal: stopping.signal })
      const applied = await applySpecs(druid, await readSpecs(), { kafka: kafka! })
      const changed = applied.filter(({ change }) => change !== 'unchanged')
      logger.info({ url, kafka, changed: changed.map(({ kind, table }) => `${kind} ${table}`) }, 'Druid has the specs')
      problem = null
    } catch (error) {
      if (stopping.signal.aborted) return
      problem = `Druid does not take the specs: ${error instanceof Error ? error.message : String(error)}`
      logger.warn({ problem }, 'trying again')
      timer = setTimeout(start, APPLY_AGAIN_MS)
    }
  }
  const start = (): void => {
    underWay = apply()
  }
  if (kafka !== null) start()
  else logger.warn({ url }, 'Druid is not told what to read: npm run druid -- apply, with the addresses of Kafka')
  return {
    problems: () => (problem === null ? [] : [problem]),
    async stop() {
      clearTimeout(timer)
      stopping.abort()
      await underWay
    },
  }
}

/** Asks Druid how far it is: once a second, and when there is reason to think that it has got further. */
const followPositions = (olap: OlapService, { partitions, written, onPositions }: DruidStoreDeps) => {
  let known: Positions = Array.from({ length: partitions }, () => 0)
  let problem: string | null = null
  let underWay: Promise<void> | null = null
  const ask = async (): Promise<void> => {
    try {
      const found = await olap.positions()
      const hasMoved = found.some((checkpoint, p) => checkpoint !== known[p])
      known = found
      problem = null
      if (hasMoved) onPositions(positions())
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error)
    }
  }
  const look = (): void => {
    underWay ??= ask().finally(() => {
      underWay = null
    })
  }
  const positions = (): Positions => {
    const inBooks = written()
    return known.map((checkpoint, p) => Math.min(checkpoint, inBooks[p]))
  }
  const timer = setInterval(look, LOOK_MS)
  return {
    look,
    positions,
    problems: () => (problem === null ? [] : [problem]),
    async stop() {
      clearInterval(timer)
      await underWay
    },
  }
}

/** Druid as the store, where the settings say so; null where DuckDB is. */
export const startDruidStore = (deps: DruidStoreDeps): AnsweringStore | null => {
  const url = druidOf(deps.config)
  if (url === null) return null
  const client = createDruidClient({ url, timeoutMs: QUESTION_MS })
  const olap = createDruidOlap({ client, books: deps.books, partitions: deps.partitions })
  const specs = keepApplying(url, deps)
  const follow = followPositions(olap, deps)
  return {
    olap,
    positions: follow.positions,
    look: follow.look,
    problems: () => [...specs.problems(), ...follow.problems()],
    async stop() {
      await follow.stop()
      await specs.stop()
    },
  }
}
