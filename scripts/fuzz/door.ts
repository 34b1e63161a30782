import { Registry } from 'prom-client'
import { createCollector } from '#gateway/collect/collector.ts'
import { createCollectMetrics } from '#gateway/collect/metrics.ts'
import { readEvents } from '#gateway/collect/read-events.ts'
import { createSchemaCheck } from '#gateway/collect/schema-check.ts'
import { createIntake } from '#gateway/indicators/intake.ts'
import type { LogWriter } from '#gateway/ports.ts'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { MillraceError } from '#schema/errors.ts'

/** What the gateway made of what a client had sent. */
export interface Admission {
  sent: Buffer
  /** The line in the log; null when it was refused. */
  line: string | null
  /** Code of the verdict, or of the error; a text that is no code is a mistake in the gateway. */
  code: string | null
}

const codeOf = (error: unknown): string =>
  error instanceof MillraceError ? error.code : `threw ${error instanceof Error ? error.message : String(error)}`

/** The gateway's own way in, with a log that keeps what it gets. */
export const createDoor = (now: () => number) => {
  const lines: string[] = []
  const log: LogWriter = {
    async append({ data }) {
      lines.push(...Buffer.from(data).toString('utf8').split('\n'))
      return lines.length
    },
    appendControl: async () => 0,
  }
  const { collect } = createCollector({
    log,
    geoip: { country: () => 'NL' },
    clock: { now },
    metrics: createCollectMetrics(new Registry()),
    intake: createIntake(() => 0),
    checkSchema: createSchemaCheck(BUILTIN_SCHEMAS),
    partitions: 1,
    processId: 'fuzz',
  })
  const admit = async (tenant: string, sent: Buffer): Promise<Admission> => {
    try {
      const read = readEvents(sent)
      if (read.events.length !== 1) return { sent, line: null, code: 'NOT_ONE' }
      const { verdicts } = await collect({ tenant, ...read })
      const [{ code }] = verdicts
      return { sent, line: code === null ? lines.pop()! : null, code }
    } catch (error) {
      return { sent, line: null, code: codeOf(error) }
    }
  }
  return {
    /** One request each, one after the other, so that it is known whose a line is. */
    async admitAll(tenant: string, bodies: readonly Buffer[]): Promise<Admission[]> {
      const admitted: Admission[] = []
      for (const body of bodies) admitted.push(await admit(tenant, body))
      return admitted
    },
  }
}
