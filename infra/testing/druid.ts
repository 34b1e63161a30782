import { inject } from 'vitest'
import { type Applied, applySpecs } from '../druid/apply.ts'
import { pidOf } from '../druid/local/jvm.ts'
import { type LocalDruid, startDruid } from '../druid/local/start.ts'
import { createManagement, type Management } from '../druid/management.ts'
import { type DruidSpecs, readSpecs, type SpecOptions } from '../druid/specs.ts'
import { isRunning } from '../nats/process.ts'
import { whyNoJava } from './java.ts'
import { until } from './until.ts'

/**
 * A real Druid for `*.e2e.spec.ts`, one for all files of a run: the first that asks boots it (20 s), the run's end ends
 * it. Files run one after the other; each begins with nothing in it:
 *
 *     describe.skipIf(noDruid)('what Druid answers', () => {
 *       let druid: TestDruid
 *       beforeAll(async () => { druid = await freshDruid() })
 *       test('…', async () => {
 *         await druid.apply({ kafka: '127.0.0.1:19092' })
 *         await until('rows', async () => (await druid.sql('SELECT COUNT(*) AS n FROM raw_events'))[0].n === 3)
 *       })
 *     })
 *
 * Without Java such tests are skipped, and say so in a line; with CI set they fail.
 */
export interface TestDruid {
  /** Of the router: SQL at /druid/v2/sql, supervisors, rules. */
  readonly url: string
  readonly management: Management
  /** Objects, one a row. Throws while Druid answers errors. */
  sql(query: string): Promise<Record<string, unknown>[]>
  /** The product's specs, or others, with tasks that start soon. */
  apply(options: SpecOptions, specs?: DruidSpecs): Promise<Applied[]>
  /** The same of specs that a product has just applied: topics of an earlier file had other offsets. */
  readAnew(): Promise<void>
  /** SIGKILL of the indexer, with all tasks; the rest lives on. */
  killIndexer(): Promise<void>
  /** After killIndexer. `restore`: druid.indexer.task.restoreTasksOnRestart, false in the product. */
  startIndexer(options?: { restore?: boolean }): Promise<void>
}

/** Of a consumer whose Kafka server a test has ended. */
const IMPATIENT = { 'default.api.timeout.ms': '5000', 'request.timeout.ms': '4000' }

const PATIENCE_MS = 180_000

const INDEXER = '/druid/indexer/v1'
const COORDINATOR = '/druid/coordinator/v1'

const why = await whyNoJava(process.env)
/** Of describe.skipIf and test.skipIf. */
export const noDruid = why !== null && !process.env.CI
if (noDruid) console.error(`skipped: tests with Druid: ${why}`)

const query = async (management: Management, text: string): Promise<Record<string, unknown>[]> =>
  (await management.post('/druid/v2/sql', { query: text, context: { useCache: false } })) as Record<string, unknown>[]

const names = async (management: Management, path: string): Promise<string[]> =>
  (await management.get(path)) as string[]

/** What the next file finds must not depend on this one. */
const reset = async (management: Management): Promise<void> => {
  await until(
    'all supervisors have ended',
    async () => {
      const supervisors = await names(management, `${INDEXER}/supervisor`)
      const end = (id: string) => management.post(`${INDEXER}/supervisor/${id}/terminate`).catch(() => undefined)
      await Promise.all(supervisors.map(end))
      return supervisors.length === 0
    },
    // One whose Kafka server is gone waits for it.
    PATIENCE_MS,
  )
  await until('all tasks have ended', async () => {
    const tasks = (await management.get(`${INDEXER}/tasks?state=running`)) as { id: string }[]
    const waiting = (await management.get(`${INDEXER}/tasks?state=pending`)) as { id: string }[]
    for (const { id } of [...tasks, ...waiting]) {
      await management.post(`${INDEXER}/task/${encodeURIComponent(id)}/shutdown`).catch(() => undefined)
    }
    return tasks.length + waiting.length === 0
  })
  await until('all tables are gone', async () => {
    for (const table of await names(management, `${COORDINATOR}/metadata/datasources`)) {
      await management.delete(`${COORDINATOR}/datasources/${table}`)
    }
    const tables = `SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'druid'`
    return (await query(management, tables)).length === 0
  })
}

const forgetOffsets = async (management: Management, tables: readonly string[]): Promise<void> => {
  await Promise.all(tables.map((table) => management.post(`${INDEXER}/supervisor/${table}/reset`)))
}

/** Of specs that the product has applied: as applyAnew does. */
const readAnew = async (management: Management): Promise<void> => {
  const tables = Object.keys((await readSpecs()).supervisors)
  const known = () => names(management, `${INDEXER}/supervisor`)
  await until('the product has told Druid what to read', async () => (await known()).length === tables.length)
  await forgetOffsets(management, tables)
}

/**
 * The specs, each topic from its start: of a table of the same name in an earlier file Druid still knows offsets, which mean
 * nothing here. Nothing has been read by then: supervisors begin after some seconds.
 */
const applyAnew = async (management: Management, specs: DruidSpecs, options: SpecOptions): Promise<Applied[]> => {
  const applied = await applySpecs(management, specs, { period: 'PT5S', consumer: IMPATIENT, ...options })
  const made = applied.filter(({ kind, change }) => kind === 'supervisor' && change === 'created')
  await forgetOffsets(
    management,
    made.map(({ table }) => table),
  )
  return applied
}

const killIndexer = async (folder: string, management: Management): Promise<void> => {
  const pid = await pidOf(folder, 'indexer')
  if (pid === null) throw new Error('there is no indexer to kill')
  process.kill(pid, 'SIGKILL')
  await until('the indexer is gone', () => !isRunning(pid))
  // Until then tasks would be given to it.
  await until('it is missed', async () => (await names(management, `${INDEXER}/workers`)).length === 0)
}

const testDruid = ({ url }: LocalDruid): TestDruid => {
  const { folder, owner } = inject('druid')
  const management = createManagement({ url })
  return {
    url,
    management,
    sql: (text) => query(management, text),
    apply: async (options, specs) => applyAnew(management, specs ?? (await readSpecs()), options),
    readAnew: () => readAnew(management),
    killIndexer: () => killIndexer(folder, management),
    startIndexer: async ({ restore } = {}) => {
      await startDruid({ folder, parts: ['indexer'], owner, restore, env: process.env, say: console.error })
    },
  }
}

/** The run's Druid, with nothing in it. Rejects where there is no Java. */
export const freshDruid = async (): Promise<TestDruid> => {
  const { folder, owner } = inject('druid')
  const druid = testDruid(await startDruid({ folder, owner, env: process.env, say: console.error }))
  await reset(druid.management)
  return druid
}
