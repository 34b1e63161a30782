import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quote } from './open.ts'

/** Many rows on their way into a table; few come as a parameter (see given-rows.ts). */
export interface Spool {
  /**
   * Writes the lines (of JSON; as bytes each with a newline), calls `use` with a table function that reads them as
   * `columns` (name: type), removes the file. The same columns have the same file each time, so that there are few
   * statements; one call at a time.
   */
  with<T>(
    lines: readonly string[] | Uint8Array,
    columns: Record<string, string>,
    use: (table: string) => Promise<T>,
  ): Promise<T>
}

const columnsSql = (columns: Record<string, string>): string =>
  Object.entries(columns)
    .map(([name, type]) => `"${name}": ${quote(type)}`)
    .join(', ')

export const createSpool = (folder: string): Spool => {
  const files = new Map<string, string>()
  const fileOf = (columns: string): string => {
    const file = files.get(columns) ?? join(folder, `${files.size}.ndjson`)
    files.set(columns, file)
    return file
  }
  return {
    async with(lines, columns, use) {
      const sql = columnsSql(columns)
      const file = fileOf(sql)
      try {
        await writeFile(file, lines instanceof Uint8Array ? lines : `${lines.join('\n')}\n`)
        return await use(`read_json(${quote(file)}, format = 'newline_delimited', columns = {${sql}})`)
      } finally {
        await rm(file, { force: true })
      }
    },
  }
}
