import { judge, type Memory, type TableHealth } from './judge.ts'
import type { Management } from './management.ts'
import { observe } from './observe.ts'

/** How Druid is fed, in all tables that it should be fed in. */
export interface DruidHealth {
  tables: TableHealth[]
  /** One sentence for each thing that is wrong; none: all is well. */
  problems: string[]
}

interface HealthCheck {
  /**
   * Looks once more. What it says grows with the looks before: whether rows arrive, and which record is poison. Never
   * rejects: a Druid that does not answer is a problem in words.
   */
  look(): Promise<DruidHealth>
}

interface HealthOptions {
  druid: Management
  /** Tables that must have a supervisor. */
  tables: readonly string[]
  /** Milliseconds since 1970. */
  now: () => number
}

const unknown = (table: string, at: number, problem: string): TableHealth => ({
  table,
  topic: null,
  state: 'UNKNOWN',
  lag: null,
  tasks: { reading: 0, publishing: 0, waiting: 0, failedLately: 0 },
  progressAt: at,
  problem,
  poison: [],
})

/** Watches the supervisors of a Druid by its address: the router's, or the overlord's. */
export const createHealthCheck = ({ druid, tables, now }: HealthOptions): HealthCheck => {
  const memories = new Map<string, Memory>()
  const lookAt = async (table: string): Promise<TableHealth> => {
    try {
      const seen = await observe(druid, table, now)
      if (!seen) return unknown(table, now(), `${table} has no supervisor: npm run druid -- apply`)
      const { health, memory } = judge(seen, memories.get(table))
      memories.set(table, memory)
      return health
    } catch (error) {
      return unknown(table, now(), `${table}: Druid cannot be asked: ${(error as Error).message}`)
    }
  }
  return {
    look: async () => {
      const found = await Promise.all(tables.map(lookAt))
      return { tables: found, problems: found.flatMap(({ problem }) => problem ?? []) }
    },
  }
}
