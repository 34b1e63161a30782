import { fileURLToPath } from 'node:url'
import type { DuckDBInstance } from '@duckdb/node-api'
import { expect, it } from 'vitest'
import { type CheckpointSettings, createCheckpoints } from './checkpoints.ts'
import { createQueue } from './queue.ts'

/** What is said to DuckDB, by all connections. */
const said: string[] = []
const connection = { run: async (sql: string) => void said.push(sql.split(' ')[0]), closeSync() {} }
const instance = { connect: async () => connection } as unknown as DuckDBInstance

const logger = { info() {}, warn() {}, error() {} }
/** Any file is longer than what makes a checkpoint due. */
const log = fileURLToPath(import.meta.url)

it('makes full checkpoints until all that were left small are put together, also when they became many', async () => {
  const settings: CheckpointSettings = { bytes: 1, everyMs: 0, mostBytes: 1, tidyEveryMs: Number.POSITIVE_INFINITY }
  const checkpoints = await createCheckpoints({ instance, log, turns: createQueue(), logger, settings })
  /** Whether the next checkpoint is a full one: without a reader. */
  const next = async (): Promise<boolean> => {
    said.length = 0
    while (!said.includes('CHECKPOINT')) await checkpoints.committed()
    return !said.includes('BEGIN')
  }
  for (let i = 0; i < 24; i++) expect(await next()).toBe(false)
  settings.tidyEveryMs = 0
  expect([await next(), await next(), await next(), await next()]).toEqual([true, true, true, false])
  await checkpoints.close()
})
