import { createManagement } from '#infra/druid/management.ts'
import { expireSegments } from '#infra/druid/retention.ts'
import type { Logger } from '#processors/ports.ts'
import type { Kept } from '#schema/limits.ts'

const EVERY_MS = 3_600_000

/** Drops from Druid what is older than it is kept, every hour. One that does not answer is asked again in the next. */
export const keepExpiring = (url: string, kept: Kept, logger: Logger) => {
  const stopping = new AbortController()
  let underWay = Promise.resolve()
  const expire = async (): Promise<void> => {
    try {
      const expired = await expireSegments(createManagement({ url, signal: stopping.signal }), kept, Date.now())
      for (const one of expired) logger.info({ ...one }, 'expired in Druid')
    } catch (error) {
      if (!stopping.signal.aborted) logger.warn({ error: String(error) }, 'nothing was expired in Druid')
    }
  }
  const timer = setInterval(() => {
    underWay = expire()
  }, EVERY_MS)
  return {
    async stop() {
      clearInterval(timer)
      stopping.abort()
      await underWay
    },
  }
}
