import { crc32c } from '@node-rs/crc32'
import {
  type ArchiveBook,
  type ArchiveFiles,
  type ChunkRows,
  type EncodedFile,
  type ObjectStore,
  type PlainLines,
  PositionMoved,
  type StoredPosition,
} from '#processors/ports.ts'
import { type ArchiveGroup, type ArchiveRow, archiveFolder, NO_POSITION } from '#schema/archive.ts'
import { toEventRow } from '#schema/archive-row.ts'
import type { EventLine } from '#schema/event.ts'
import { readEventLine } from '#schema/event-line.ts'
import { encodeChecksum } from '../archive/checksum.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const timeOf = (row: ArchiveRow): number => ('time' in row ? (row.time as number) : row.received_at)
const inOrder = (a: ArchiveRow, b: ArchiveRow): number =>
  timeOf(a) - timeOf(b) || a.partition - b.partition || a.sequence - b.sequence || a.index - b.index

const encode = (rows: readonly ArchiveRow[]): EncodedFile => {
  const body = encoder.encode(JSON.stringify([...rows].sort(inOrder)))
  const { length: bytes } = body
  return { body, rows: rows.length, bytes, crc32c: encodeChecksum(crc32c(body)), discard: async () => undefined }
}

const decode = (data: Uint8Array): ArchiveRow[] => JSON.parse(decoder.decode(data)) as ArchiveRow[]

/** Rows of an object that createMemoryFiles has made. */
export const readMemoryRows = async (store: ObjectStore, name: string): Promise<ArchiveRow[]> => {
  const found = await store.get(name)
  if (!found) throw new Error(`${name} is not there`)
  return decode(found.data)
}

const rowsOfPlain = ({ partition, sequence, data, indexes, starts, ends }: PlainLines): ArchiveRow[] =>
  indexes.map((index, i) => {
    const text = decoder.decode(data.subarray(starts[i], ends[i]))
    return toEventRow(text, readEventLine(text) as EventLine, { partition, sequence, index })
  })

/** Files of rows as JSON, for simulations. */
export const createMemoryFiles = (store: ObjectStore): ArchiveFiles => {
  const chunk = async (): Promise<ChunkRows> => {
    const groups = new Map<string, ArchiveRow[]>()
    const rowsOf = (group: ArchiveGroup): ArchiveRow[] => {
      const folder = archiveFolder(group)
      const rows = groups.get(folder) ?? []
      groups.set(folder, rows)
      return rows
    }
    return {
      add: async ({ group, rows, plain }) => void rowsOf(group).push(...rows, ...(plain ? rowsOfPlain(plain) : [])),
      encode: async (group) => encode(rowsOf(group)),
      discard: async () => groups.clear(),
    }
  }
  return {
    chunk,
    async merge(_outcome, names) {
      const rows: ArchiveRow[] = []
      for (const name of names) rows.push(...(await readMemoryRows(store, name)))
      return encode(rows)
    },
    async compare(name, { body }) {
      const there = new Set((await readMemoryRows(store, name)).map((row) => JSON.stringify(row)))
      const lacking = decode(body as Uint8Array).filter((row) => !there.has(JSON.stringify(row))).length
      return { rows: there.size, lacking }
    },
  }
}

/** Positions in memory, for simulations: they outlive whoever uses them. */
export const createMemoryBook = (): ArchiveBook => {
  const held = new Map<number, StoredPosition>()
  const read = (partition: number): StoredPosition => held.get(partition) ?? { position: NO_POSITION, revision: 0 }
  return {
    read: async (partition) => read(partition),
    async write(partition, position, expected) {
      const { revision } = read(partition)
      if (revision !== expected) throw new PositionMoved(partition)
      held.set(partition, { position, revision: revision + 1 })
      return revision + 1
    },
  }
}
