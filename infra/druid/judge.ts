import type { FailedTask, Observation, Offsets } from './observe.ts'

/** A record that fails each task that comes to it. */
interface Poison {
  topic: string
  partition: number
  /**
   * It is the first record at this offset or behind it: there are gaps. While Druid has not told it the range in which it
   * is: from, and the end of the topic.
   */
  offset: number | { from: number; to: number }
  /** What Druid says of it. */
  error: string
}

/** How a table is fed. */
export interface TableHealth {
  table: string
  topic: string | null
  /** Druid's own word; it says RUNNING also when nothing runs. */
  state: string
  /** Records that are in the topic and not yet in the table; null while that is unknown. */
  lag: number | null
  tasks: { reading: number; publishing: number; waiting: number; failedLately: number }
  /** When a row could last be seen to arrive, or there was nothing to wait for; milliseconds since 1970. */
  progressAt: number
  /** What is wrong, for a person. Null: nothing. */
  problem: string | null
  /** More than one: the record is one of these. */
  poison: Poison[]
}

/** What is known from looks before: nothing at the first. */
export interface Memory {
  /** Where the tasks were seen, by partition the furthest. */
  furthest: Offsets
  /** By task, the newest last: where it was seen last. While tasks fail these are attempts at one record. */
  attempts: Map<string, Offsets>
  progressAt: number
}

/** Tasks that failed longer ago say nothing of now. */
const LATELY_MS = 300_000
/** So often the same failure is no accident any more: a worker that dies fails each task once. */
const REPEATED = 3
const MOST_ATTEMPTS = 20
/** So many attempts at one offset are no accident: a task may have been seen before it had read anything. */
const ARRIVALS = 3
/** Without any row for so long, though there are some, a table is said to stand still. */
const STANDSTILL_MS = 60_000

const furthestOf = (all: readonly Offsets[]): Offsets => {
  const furthest: Offsets = {}
  for (const one of all) {
    for (const [partition, offset] of Object.entries(one)) {
      furthest[partition] = Math.max(furthest[partition] ?? offset, offset)
    }
  }
  return furthest
}

/** The newest failures that say the same. */
const repeated = (failed: readonly FailedTask[]): FailedTask[] => {
  const different = failed.findIndex(({ error }) => error !== failed[0].error)
  return failed.slice(0, different === -1 ? failed.length : different)
}

/** Each task that was seen before and is gone, where it was seen last; the newest of them. */
const attemptsBefore = ({ reading }: Observation, before: Memory | undefined): Map<string, Offsets> => {
  const living = new Set(reading.map(({ id }) => id))
  const gone = [...(before?.attempts ?? [])].filter(([id]) => !living.has(id))
  return new Map(gone.slice(-MOST_ATTEMPTS))
}

/** Whether a task has come further than all that failed, wherever they were stopped. */
const hasPassed = (now: Offsets, gone: readonly Offsets[]): boolean => {
  const stopped = Object.entries(furthestOf(gone))
  return stopped.length > 0 && stopped.every(([partition, offset]) => (now[partition] ?? 0) > offset)
}

/**
 * What a look and those before it come to. Tasks fail again and again at one record while the supervisor says RUNNING, and
 * their rows appear and vanish; the record is where they were when they failed, which Druid tells only while they live.
 */
export const judge = (seen: Observation, before: Memory | undefined): { health: TableHealth; memory: Memory } => {
  const lately = seen.failed.filter(({ endedAt }) => seen.at - endedAt <= LATELY_MS)
  const same = lately.length === 0 ? [] : repeated(lately)
  const now = furthestOf(seen.reading.map(({ from, at }) => ({ ...from, ...at })))
  const isIdle = seen.reading.length > 0 && seen.lag === 0
  const gone = attemptsBefore(seen, before)
  const isFailing = same.length >= REPEATED && !isIdle && !hasPassed(now, [...gone.values()])
  const asked = seen.reading.filter(({ at }) => Object.keys(at).length > 0).map(({ id, at }) => [id, at] as const)
  const attempts = new Map([...(isFailing ? gone : []), ...asked])
  const furthest = furthestOf([before?.furthest ?? {}, now])
  const moved = Object.entries(furthest).some(([partition, offset]) => offset > (before?.furthest[partition] ?? -1))
  const progressAt = !before || moved || isIdle ? seen.at : before.progressAt
  const poison = isFailing ? suspects(seen, [...attempts.values()], same[0].error) : []
  const health: TableHealth = {
    table: seen.table,
    topic: seen.topic,
    state: seen.state,
    lag: seen.lag,
    tasks: {
      reading: seen.reading.length,
      publishing: seen.publishing,
      waiting: seen.waiting,
      failedLately: lately.length,
    },
    progressAt,
    problem: problemOf(seen, { poison, same, isFailing, stoodMs: seen.at - progressAt }),
    poison,
  }
  return { health, memory: { furthest, attempts, progressAt } }
}

/**
 * No attempt has passed the record, and all come to it; what other partitions have reached by then differs from one attempt
 * to the other. Attempts that were last seen on their way say only that it is further on.
 */
const suspects = (seen: Observation, attempts: readonly Offsets[], error: string): Poison[] => {
  const furthest = furthestOf([...seen.reading.map(({ from }) => from), ...attempts])
  const arrivals = (partition: string) => attempts.filter((at) => at[partition] === furthest[partition]).length
  const behind = Object.entries(seen.end ?? {}).filter(([partition, end]) => end > (furthest[partition] ?? 0))
  const most = Math.max(...behind.map(([partition]) => arrivals(partition)))
  const isKnown = most >= ARRIVALS
  return behind
    .filter(([partition]) => !isKnown || arrivals(partition) === most)
    .map(([partition, to]) => {
      const from = furthest[partition] ?? 0
      return { topic: seen.topic, partition: Number(partition), offset: isKnown ? from : { from, to }, error }
    })
}

const placeOf = ({ partition, offset }: Poison): string =>
  typeof offset === 'number'
    ? `partition ${partition}, the first record from offset ${offset} on`
    : `partition ${partition} between offset ${offset.from} and ${offset.to}`

interface Findings {
  poison: Poison[]
  same: FailedTask[]
  isFailing: boolean
  stoodMs: number
}

const problemOf = (seen: Observation, { poison, same, isFailing, stoodMs }: Findings): string | null => {
  const { table, topic, state, errors, suspended, waiting, lag } = seen
  if (suspended) return `${table} is suspended: npm run druid -- apply resumes it`
  if (isFailing) {
    const where = poison.length === 0 ? '' : ` at ${poison.map(placeOf).join(' or ')}`
    return `${table} makes no progress: its tasks fail again and again in topic ${topic}${where}, ${same.length} times in the last minutes: ${same[0].error}`
  }
  if (/CONNECT|CONTACT/.test(state)) {
    return `${table} cannot read topic ${topic} (${state}): ${errors.at(-1) ?? 'is the Kafka server up, and does it have the topic?'}`
  }
  if (state.startsWith('UNHEALTHY'))
    return `${table} is not well (${state}): ${errors.at(-1) ?? same[0]?.error ?? 'no reason given'}`
  if (stoodMs < STANDSTILL_MS) return null
  const seconds = Math.round(stoodMs / 1_000)
  if (waiting > 0) return `${table} has read nothing for ${seconds} s: ${waiting} of its tasks wait for a free worker`
  return `${table} has read nothing for ${seconds} s, and ${lag ?? 'unknown numbers of'} records wait in topic ${topic}`
}
