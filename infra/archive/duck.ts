import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { quote } from '../duckdb/open.ts'
import { readTextWhole } from '../duckdb/whole-text.ts'

interface DuckOptions {
  /** The only folder that it may read and write. */
  folder: string
  /** As DuckDB writes it. What does not fit goes to the folder. */
  memoryLimit?: string
}

/** A DuckDB in memory of one's own, opened when it is first used. One thread: the same rows give the same file. */
export const createDuck = ({ folder, memoryLimit = '256MB' }: DuckOptions) => {
  let opened: Promise<{ instance: DuckDBInstance; connection: DuckDBConnection }> | null = null
  const open = async () => {
    readTextWhole()
    const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
    const connection = await instance.connect()
    for (const setting of [
      `memory_limit = ${quote(memoryLimit)}`,
      `temp_directory = ${quote(folder)}`,
      'autoinstall_known_extensions = false',
      'autoload_known_extensions = false',
      `allowed_directories = [${quote(folder)}]`,
      'enable_external_access = false',
      'lock_configuration = true',
    ]) {
      await connection.run(`SET ${setting}`)
    }
    return { instance, connection }
  }
  const connection = async (): Promise<DuckDBConnection> => {
    opened ??= open()
    return (await opened).connection
  }
  return {
    async run(sql: string): Promise<void> {
      await (await connection()).run(sql)
    },
    async rows(sql: string): Promise<unknown[][]> {
      return (await (await connection()).runAndReadAll(sql)).getRowsJS()
    },
    /** Rows as objects, a chunk of DuckDB's at a time. */
    async *stream(sql: string): AsyncGenerator<Record<string, unknown>[]> {
      const result = await (await connection()).stream(sql)
      yield* result.yieldRowObjectJs()
    },
    async close(): Promise<void> {
      if (!opened) return
      const { instance, connection } = await opened
      opened = null
      connection.closeSync()
      instance.closeSync()
    },
  }
}

export type Duck = ReturnType<typeof createDuck>
