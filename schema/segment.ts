import { type Segment, type SegmentIds, type SegmentRow, WORDS_PER_ID } from './checkpoint.ts'

/**
 * A segment travels in chunks below the broker's message limit. Each stands alone: 4 bytes length (big-endian) of a
 * JSON header, the header, then the identity words it announces (little-endian, 32 bits each).
 */
const CHUNK_BYTES = 700_000
const WORD_BYTES = 4

interface ChunkHeader extends Omit<Segment, 'ids' | 'rows'> {
  ids: { tenant: string; source: string; words: number }[]
}

export const emptySegment = (): Segment => ({ rows: [], ids: [], clocks: [], definitions: [], tenants: [] })

export const isEmptySegment = (segment: Segment): boolean =>
  segment.rows.length +
    segment.ids.length +
    segment.clocks.length +
    segment.definitions.length +
    segment.tenants.length ===
  0

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const encodeChunk = (header: ChunkHeader, rows: readonly string[], ids: readonly SegmentIds[]): Uint8Array => {
  const json = encoder.encode(`${JSON.stringify(header).slice(0, -1)},"rows":[${rows.join(',')}]}`)
  const words = ids.reduce((sum, { words }) => sum + words.length, 0)
  const chunk = new Uint8Array(WORD_BYTES + json.length + words * WORD_BYTES)
  const view = new DataView(chunk.buffer)
  view.setUint32(0, json.length)
  chunk.set(json, WORD_BYTES)
  let at = WORD_BYTES + json.length
  for (const { words } of ids) {
    for (const word of words) {
      view.setUint32(at, word, true)
      at += WORD_BYTES
    }
  }
  return chunk
}

const bare = (): ChunkHeader => ({ ids: [], clocks: [], definitions: [], tenants: [] })

/** Cuts identities into pieces of whole entries that fit one chunk each. */
function* idPieces(ids: readonly SegmentIds[]): Generator<SegmentIds> {
  const step = Math.floor(CHUNK_BYTES / (WORDS_PER_ID * WORD_BYTES)) * WORDS_PER_ID
  for (const { tenant, source, words } of ids) {
    for (let at = 0; at < words.length; at += step) {
      yield { tenant, source, words: words.subarray(at, Math.min(at + step, words.length)) }
    }
  }
}

/** Members of a set that stand in one row: a row must fit a chunk, however many a window has. */
const ROW_MEMBERS = 20_000

/** A row as rows that sum up to it, each small enough. */
function* rowPieces(row: SegmentRow): Generator<SegmentRow> {
  const { members } = row
  if (!members || members.length <= ROW_MEMBERS) return yield row
  yield { ...row, members: members.slice(0, ROW_MEMBERS) }
  const { tenant, metric, version, size, start, dims, changed, changedAt } = row
  const more = {
    tenant,
    metric,
    version,
    size,
    start,
    dims,
    changed,
    changedAt,
    events: 0,
    corrections: 0,
    revision: 0,
  }
  for (let at = ROW_MEMBERS; at < members.length; at += ROW_MEMBERS) {
    yield { ...more, members: members.slice(at, at + ROW_MEMBERS) }
  }
}

function* piecesOf(rows: readonly SegmentRow[]): Generator<SegmentRow> {
  for (const row of rows) yield* rowPieces(row)
}

/** Encodes into at least one chunk. Definitions and clocks stand in the first. */
export const encodeSegment = (segment: Segment): Uint8Array[] => {
  const chunks: Uint8Array[] = []
  let header: ChunkHeader = {
    ...bare(),
    clocks: segment.clocks,
    definitions: segment.definitions,
    tenants: segment.tenants,
  }
  let rows: string[] = []
  let ids: SegmentIds[] = []
  let bytes = JSON.stringify(header).length
  const close = (): void => {
    chunks.push(encodeChunk(header, rows, ids))
    header = bare()
    rows = []
    ids = []
    bytes = 0
  }
  for (const row of piecesOf(segment.rows)) {
    const text = JSON.stringify(row)
    const size = encoder.encode(text).length + 1
    if (bytes > 0 && bytes + size > CHUNK_BYTES) close()
    rows.push(text)
    bytes += size
  }
  for (const piece of idPieces(segment.ids)) {
    const size = piece.words.length * WORD_BYTES
    if (bytes > 0 && bytes + size > CHUNK_BYTES) close()
    header.ids.push({ tenant: piece.tenant, source: piece.source, words: piece.words.length })
    ids.push(piece)
    bytes += size
  }
  close()
  return chunks
}

/** Throws on a chunk that is cut short. */
export const decodeSegment = (chunks: readonly Uint8Array[]): Segment => {
  const segment = emptySegment()
  for (const chunk of chunks) {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const length = view.getUint32(0)
    const header: ChunkHeader & { rows: SegmentRow[] } = JSON.parse(
      decoder.decode(chunk.subarray(WORD_BYTES, WORD_BYTES + length)),
    )
    let at = WORD_BYTES + length
    for (const { tenant, source, words: count } of header.ids) {
      const words = new Uint32Array(count)
      for (let i = 0; i < count; i++, at += WORD_BYTES) words[i] = view.getUint32(at, true)
      segment.ids.push({ tenant, source, words })
    }
    for (const row of header.rows) segment.rows.push(row)
    segment.clocks.push(...header.clocks)
    segment.definitions.push(...header.definitions)
    segment.tenants.push(...header.tenants)
  }
  return segment
}
