import { z } from 'zod'
import { createManagement, type Management } from './management.ts'

/** By partition. */
const offsets = z.record(z.string(), z.number())

const readingTask = z.object({
  id: z.string(),
  startingOffsets: offsets.default({}),
  currentOffsets: offsets.default({}),
})

const status = z.object({
  stream: z.string(),
  state: z.string(),
  detailedState: z.string(),
  suspended: z.boolean(),
  activeTasks: z.array(readingTask),
  publishingTasks: z.array(readingTask),
  latestOffsets: offsets.nullish(),
  aggregateLag: z.number().nullish(),
  recentErrors: z.array(z.object({ timestamp: z.string(), message: z.string().nullish() })),
})

const task = z.object({
  id: z.string(),
  type: z.string(),
  statusCode: z.string(),
  runnerStatusCode: z.string().nullish(),
  createdTime: z.string(),
  duration: z.number().nullish(),
  errorMsg: z.string().nullish(),
  location: z.object({ host: z.string().nullable(), port: z.number(), tlsPort: z.number() }).nullish(),
})
type Task = z.infer<typeof task>

/** By partition: the offset that is read next. */
export type Offsets = Record<string, number>

/** A task that reads a topic. */
interface ReadingTask {
  id: string
  /** Where it began: what is before is published. */
  from: Offsets
  /** Where it is, as far as the supervisor has asked; without partitions that it has not asked for. */
  at: Offsets
}

/** A task that failed. */
export interface FailedTask {
  id: string
  /** Milliseconds since 1970. */
  endedAt: number
  /** First line of what Druid says. */
  error: string
}

/** What Druid says of one supervisor and its tasks. */
export interface Observation {
  table: string
  topic: string
  /** Milliseconds since 1970. */
  at: number
  /** Druid's own words. */
  state: string
  suspended: boolean
  reading: ReadingTask[]
  publishing: number
  /** Tasks that wait for a worker. */
  waiting: number
  /** Newest first. */
  failed: FailedTask[]
  /** End of the topic; null while Druid does not know it. */
  end: Offsets | null
  /** Records; null while Druid does not know it. */
  lag: number | null
  /** Newest last. */
  errors: string[]
}

const TASKS = 40
const TASK_MS = 1_000
const firstLine = (text: string): string => text.split('\n', 1)[0].slice(0, 300)

const failedTask = ({ id, createdTime, duration, errorMsg }: Task): FailedTask => ({
  id,
  endedAt: Date.parse(createdTime) + Math.max(0, duration ?? 0),
  error: firstLine(errorMsg ?? 'no reason given'),
})

const tasksOf = async (druid: Management, table: string): Promise<Task[]> => {
  const answer = await druid.get(`/druid/indexer/v1/tasks?datasource=${table}&max=${TASKS}`)
  return z
    .array(task)
    .parse(answer)
    .filter(({ type }) => type === 'index_kafka')
}

/**
 * Where a task is, by its own word: the supervisor asks only now and then, and a task that fails lives for a second. Empty
 * where the worker cannot be reached from here.
 */
const askTask = async ({ id, location }: Task): Promise<Offsets> => {
  if (!location?.host) return {}
  const { host, port, tlsPort } = location
  const url = tlsPort > 0 ? `https://${host}:${tlsPort}` : `http://${host}:${port}`
  const answer = await createManagement({ url, timeoutMs: TASK_MS })
    .get(`/druid/worker/v1/chat/${id}/offsets/current`)
    .catch(() => undefined)
  return offsets.safeParse(answer).data ?? {}
}

/** A task that fails at once may be unknown to the supervisor, and yet have answered. */
const readingTasks = (known: z.infer<typeof readingTask>[], asked: ReadonlyMap<string, Offsets>): ReadingTask[] => {
  const tasks = known.map(({ id, startingOffsets, currentOffsets }) => ({
    id,
    from: startingOffsets,
    at: { ...currentOffsets, ...asked.get(id) },
  }))
  const ids = new Set(known.map(({ id }) => id))
  const others = [...asked].filter(([id, at]) => !ids.has(id) && Object.keys(at).length > 0)
  return [...tasks, ...others.map(([id, at]) => ({ id, from: {}, at }))]
}

/** Asks for one supervisor; null when there is none of this name. Throws DruidError. */
export const observe = async (druid: Management, table: string, now: () => number): Promise<Observation | null> => {
  const answer = await druid.get(`/druid/indexer/v1/supervisor/${table}/status`)
  if (answer === undefined) return null
  const { payload } = z.object({ payload: status }).parse(answer)
  const tasks = await tasksOf(druid, table)
  const failed = tasks
    .filter(({ statusCode }) => statusCode === 'FAILED')
    .map(failedTask)
    .toSorted((a, b) => b.endedAt - a.endedAt)
  const running = tasks.filter(({ statusCode }) => statusCode === 'RUNNING')
  const asked = new Map<string, Offsets>()
  if (failed.length > 0) await Promise.all(running.map(async (one) => asked.set(one.id, await askTask(one))))
  return {
    table,
    topic: payload.stream,
    at: now(),
    state: payload.detailedState,
    suspended: payload.suspended,
    reading: readingTasks(payload.activeTasks, asked),
    publishing: payload.publishingTasks.length,
    waiting: running.filter(({ runnerStatusCode }) => runnerStatusCode === 'PENDING').length,
    failed,
    end: payload.latestOffsets ?? null,
    // Before Druid knows where the topic ends it says 0.
    lag: payload.latestOffsets ? (payload.aggregateLag ?? null) : null,
    errors: payload.recentErrors.map(({ message }) => firstLine(message ?? '')),
  }
}
