import { setTimeout as delay } from 'node:timers/promises'
import { createHealthCheck, type DruidHealth } from '#infra/druid/health.ts'
import { createManagement, type Management } from '#infra/druid/management.ts'
import { readSpecs } from '#infra/druid/specs.ts'
import { renderTable } from '../lib/table.ts'
import { command, findDruid, URL_OPTION } from './command.ts'

const LOOK_MS = 700
/** Where tasks fail: until it is known at which record. */
const LOOKS = 25

const isKnown = ({ tables }: DruidHealth): boolean =>
  tables.every(({ poison }) => poison.every(({ offset }) => typeof offset === 'number'))

/** Null while there is no such table. */
const rowsOf = async (druid: Management, table: string): Promise<number | null> => {
  const query = `SELECT COUNT(*) AS n FROM "${table}"`
  const answer = (await druid.post('/druid/v2/sql', { query }).catch(() => null)) as { n: number }[] | null
  return answer?.[0]?.n ?? null
}

export const status = command({
  summary:
    'Tells for each table what its supervisor does, how far it is behind, and what is wrong. Exit code 1: something.',
  options: URL_OPTION,
  run: async (args, say) => {
    const url = await findDruid(args.text('url'), args.text('data'))
    const druid = createManagement({ url })
    const tables = Object.keys((await readSpecs()).supervisors)
    const check = createHealthCheck({ druid, tables, now: Date.now })
    let health = await check.look()
    for (let i = 1; i < LOOKS && !isKnown(health); i++) {
      await delay(LOOK_MS)
      health = await check.look()
    }
    const rows = await Promise.all(tables.map((table) => rowsOf(druid, table)))
    const lines = health.tables.map(({ table, state, lag, tasks }, i) => [
      table,
      state,
      lag ?? '?',
      tasks.reading,
      tasks.publishing,
      tasks.waiting,
      tasks.failedLately,
      rows[i] ?? 'none yet',
    ])
    say(renderTable([['table', 'state', 'lag', 'reading', 'publishing', 'waiting', 'failed lately', 'rows'], ...lines]))
    for (const problem of health.problems) say(problem)
    const result = {
      url,
      tables: health.tables.map((table, i) => ({ ...table, rows: rows[i] })),
      problems: health.problems,
    }
    return { result, isWell: health.problems.length === 0 }
  },
})
