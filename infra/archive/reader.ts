import type { ArchiveReader, ObjectStore, RawLines } from '#processors/ports.ts'
import { type ArchivedEvent, EVENT_COLUMNS } from '#schema/archive.ts'
import { toLine } from '#schema/archive-row.ts'
import { createCopies } from './copies.ts'
import type { Duck } from './duck.ts'
import { readManifests } from './manifests.ts'
import { parquetOf } from './parquet.ts'

/** Columns as JavaScript has them: times in milliseconds, no number a bigint. */
const SELECT = Object.entries(EVENT_COLUMNS)
  .map(([name, { type }]) => {
    if (type === 'TIMESTAMP') return `epoch_ms("${name}")::DOUBLE AS "${name}"`
    return type === 'BIGINT' ? `"${name}"::DOUBLE AS "${name}"` : `"${name}"`
  })
  .join(', ')

interface ReaderOptions {
  store: ObjectStore
  duck: Duck
  /** Copies of files are put here for as long as they are read. */
  folder: string
  /** Short name of the deployment. */
  deployment: string
}

/** Reads counted events of a place in the log back from the archive, going by its manifests. */
export const createArchiveReader = ({ store, duck, folder, deployment }: ReaderOptions): ArchiveReader => ({
  async *counted(partition, from, to, receivedAfter = 0) {
    const names: string[] = []
    for await (const { files } of readManifests(store, 'manifests/events/')) {
      for (const file of files) {
        const has = file.ranges.some((range) => range.partition === partition && range.from <= to && range.to >= from)
        if (has && file.maxReceivedAt >= receivedAfter && file.deployment === deployment) names.push(file.name)
      }
    }
    if (names.length === 0) return
    const copies = createCopies(store, folder)
    try {
      let open = null as RawLines | null
      const paths = await copies.of(names)
      const sql = `SELECT ${SELECT} FROM ${parquetOf(paths)}
        WHERE "partition" = ${partition} AND sequence BETWEEN ${from} AND ${to}
          AND received_at >= epoch_ms(${receivedAfter}::BIGINT) ORDER BY sequence, "index"`
      for await (const rows of duck.stream(sql)) {
        for (const row of rows as unknown as ArchivedEvent[]) {
          if (open && open.sequence !== row.sequence) yield open
          if (open?.sequence !== row.sequence) open = { sequence: row.sequence, lines: [], indexes: [] }
          open.lines.push(toLine(row))
          open.indexes.push(row.index)
        }
      }
      if (open) yield open
    } finally {
      await copies.discard()
    }
  },
})
