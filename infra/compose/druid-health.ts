import { createHealthCheck } from '#infra/druid/health.ts'
import { createManagement } from '#infra/druid/management.ts'
import { readSpecs } from '#infra/druid/specs.ts'

const LOOK_MS = 5_000

/** Looks every few seconds how Druid is fed. */
export const watchDruid = (url: string) => {
  const stopping = new AbortController()
  let problems: string[] = []
  let timer: NodeJS.Timeout | undefined
  const watch = async (): Promise<void> => {
    const druid = createManagement({ url, signal: stopping.signal })
    const tables = Object.keys((await readSpecs()).supervisors)
    const check = createHealthCheck({ druid, tables, now: Date.now })
    while (!stopping.signal.aborted) {
      const found = await check.look()
      if (stopping.signal.aborted) return
      problems = found.problems
      await new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LOOK_MS)
        stopping.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
  const done = watch()
  return {
    problems: () => problems,
    async stop() {
      stopping.abort()
      clearTimeout(timer)
      await done
    },
  }
}
