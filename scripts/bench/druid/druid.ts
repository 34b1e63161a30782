import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pidOf } from '#infra/druid/local/jvm.ts'
import { startDruid, stopDruid } from '#infra/druid/local/start.ts'
import { createManagement, type Management } from '#infra/druid/management.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { cpuSecondsOf } from '#scripts/lib/usage.ts'
import type { Bench } from '../bench.ts'
import { type Growth, measureGrowth } from './growth.ts'
import { measureLatency } from './latency.ts'

/** From the acknowledgement of an event to its row in an answer. */
const GOAL_P99_MS = 500

/** A Druid to measure: processor time of its tasks is known where it is ours. */
export interface BenchDruid {
  management: Management
  /** Seconds of a core that its tasks have taken; null where that cannot be known. */
  cpu(): Promise<number | null>
}

const ownDruid = async (say: (line: string) => void) => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-druid-'))
  const end = async () => {
    await stopDruid(folder, { atOnce: true })
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const { url } = await startDruid({ folder, owner: process.pid, env: process.env, say })
    const cpu = async () => cpuSecondsOf((await pidOf(folder, 'indexer')) ?? 0)
    return { management: createManagement({ url }), cpu, [Symbol.asyncDispose]: end }
  } catch (error) {
    await end()
    throw error
  }
}

const openDruid = async (url: string | undefined, say: (line: string) => void) => {
  if (url === undefined) return ownDruid(say)
  return { management: createManagement({ url }), cpu: async () => null, [Symbol.asyncDispose]: async () => {} }
}

const growthTable = (growth: readonly Growth[]): string =>
  renderTable([
    ['catching up', 'rows', 'seconds', 'rows/s', 'µs CPU a row'],
    ...growth.map(({ partitions, tasks, rows, seconds, rowsPerSecond, cpuMicrosPerRow }) => [
      `${partitions} partitions, ${tasks} tasks`,
      rows,
      seconds,
      rowsPerSecond,
      cpuMicrosPerRow ?? 'unknown',
    ]),
  ])

/** What Druid takes of JetStream by the Kafka protocol: how soon, how much, and whether each event is there once. */
export const druidBench: Bench<'url' | 'probes' | 'rate' | 'events' | 'partitions'> = {
  summary: 'Druid reads JetStream: from acknowledged event to SQL, and catching up by partitions and tasks',
  options: {
    url: { value: 'URL', help: 'router of a Druid without tables of Millrace; default: one is booted and thrown away' },
    probes: { value: 'N', help: 'events whose way to SQL is timed [100]' },
    rate: { value: 'N', help: 'events a second beside them [200]' },
    events: { value: 'N', help: 'events to catch up with [300000]' },
    partitions: { value: 'N', help: 'partitions of the log; 1 is measured as well [4]' },
  },
  async run(args, say) {
    const probes = args.whole('probes', 100, 1, 100_000)
    const rate = args.whole('rate', 200, 0, 100_000)
    const events = args.whole('events', 300_000, 100, 100_000_000)
    const partitions = args.whole('partitions', 4, 1, 64)
    await using druid = await openDruid(args.text('url'), say)
    const latency = await measureLatency(druid, { probes, rate, partitions }, say)
    const growth = await measureGrowth(druid, { events, partitions }, say)
    say(growthTable(growth))
    say(
      `acknowledged event → its row in SQL: p50 ${latency.p50Ms} ms, p99 ${latency.p99Ms} ms (goal ${GOAL_P99_MS}); the question alone takes ${latency.sqlP50Ms} ms`,
    )
    const { rowsPerSecond, cpuMicrosPerRow } = growth.toSorted((a, b) => b.rowsPerSecond - a.rowsPerSecond)[0]
    return { ...latency, goalP99Ms: GOAL_P99_MS, rowsPerSecond, cpuMicrosPerRow, growth }
  },
}
