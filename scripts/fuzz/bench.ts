import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDuckDbOlap } from '#infra/duckdb/olap.ts'
import { startPython } from './python.ts'
import type { Bench } from './round.ts'

const silent = { info() {}, warn() {}, error() {} }

/** A fresh DuckDB and a python3 for any number of rounds. */
export const openBench = async (): Promise<Bench & AsyncDisposable> => {
  const python = await startPython()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-fuzz-'))
  const olap = await createDuckDbOlap({ folder, partitions: 1, logger: silent })
  return {
    olap,
    python,
    async [Symbol.asyncDispose]() {
      await olap.close()
      await python[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}
