import type { Config } from '#infra/config.ts'
import { applySpecs } from '#infra/druid/apply.ts'
import { createManagement } from '#infra/druid/management.ts'
import { readSpecs } from '#infra/druid/specs.ts'
import { parseAddresses } from '#infra/kafka/addresses.ts'
import type { Logger } from '#processors/ports.ts'
import { reachableHost } from './welcome.ts'

const APPLY_AGAIN_MS = 5_000

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

/** Applies the specs until Druid has them, and says what is in the way. */
export const keepApplying = (url: string, config: Config, logger: Logger) => {
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
