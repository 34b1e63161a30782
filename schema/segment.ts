import { type Segment, type SegmentIds, type SegmentRow, type SegmentSession, WORDS_PER_ID } from './checkpoint.ts'
import { createRowGroups, packRow, piecesOf, type RowGroup, unpackRows } from './segment-rows.ts'

/**
 * A segment travels in chunks below the broker's message limit. Each stands alone: 4 bytes length (big-endian) of a
 * JSON header, the header, then the identity words it announces (little-endian, 32 bits each).
 */
const CHUNK_BYTES = 700_000
const WORD_BYTES = 4

interface ChunkHeader extends Omit<Segment, 'ids' | 'rows'> {
  ids: { tenant: string; source: string; words: number }[]
}

interface StoredHeader extends Omit<ChunkHeader, 'sessions'> {
  groups?: RowGroup[]
  /** Absent before format 3. */
  sessions?: SegmentSession[]
  /** As format 1 had them. */
  rows?: SegmentRow[]
}

export const emptySegment = (): Segment => ({
  rows: [],
  sessions: [],
  ids: [],
  clocks: [],
  definitions: [],
  tenants: [],
})

export const isEmptySegment = (segment: Segment): boolean =>
  segment.rows.length +
    segment.sessions.length +
    segment.ids.length +
    segment.clocks.length +
    segment.definitions.length +
    segment.tenants.length ===
  0

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const IS_LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

const swapped = (words: Uint32Array): Uint32Array => {
  const view = new DataView(new ArrayBuffer(words.byteLength))
  for (const [i, word] of words.entries()) view.setUint32(i * WORD_BYTES, word, !IS_LITTLE_ENDIAN)
  return new Uint32Array(view.buffer)
}

/** The bytes of words as chunks have them. */
const littleEndian = (words: Uint32Array): Uint8Array => {
  const { buffer, byteOffset, byteLength } = IS_LITTLE_ENDIAN ? words : swapped(words)
  return new Uint8Array(buffer, byteOffset, byteLength)
}

const encodeChunk = (header: ChunkHeader, groups: string, ids: readonly SegmentIds[]): Uint8Array => {
  const json = encoder.encode(`${JSON.stringify(header).slice(0, -1)},"groups":${groups}}`)
  const words = ids.reduce((sum, { words }) => sum + words.length, 0)
  const chunk = new Uint8Array(WORD_BYTES + json.length + words * WORD_BYTES)
  new DataView(chunk.buffer).setUint32(0, json.length)
  chunk.set(json, WORD_BYTES)
  let at = WORD_BYTES + json.length
  for (const { words } of ids) {
    chunk.set(littleEndian(words), at)
    at += words.length * WORD_BYTES
  }
  return chunk
}

const bare = (): ChunkHeader => ({ sessions: [], ids: [], clocks: [], definitions: [], tenants: [] })

/** Cuts identities into pieces of whole entries that fit one chunk each. */
function* idPieces(ids: readonly SegmentIds[]): Generator<SegmentIds> {
  const step = Math.floor(CHUNK_BYTES / (WORDS_PER_ID * WORD_BYTES)) * WORDS_PER_ID
  for (const { tenant, source, words } of ids) {
    for (let at = 0; at < words.length; at += step) {
      yield { tenant, source, words: words.subarray(at, Math.min(at + step, words.length)) }
    }
  }
}

/** Encodes into at least one chunk. Definitions stand in the first. */
export const encodeSegment = (segment: Segment): Uint8Array[] => {
  const chunks: Uint8Array[] = []
  let header: ChunkHeader = {
    ...bare(),
    definitions: segment.definitions,
    tenants: segment.tenants,
  }
  let groups = createRowGroups()
  let ids: SegmentIds[] = []
  let bytes = JSON.stringify(header).length
  const close = (): void => {
    chunks.push(encodeChunk(header, groups.toJson(), ids))
    header = bare()
    groups = createRowGroups()
    ids = []
    bytes = 0
  }
  for (const clock of segment.clocks) {
    const size = JSON.stringify(clock).length + 1
    if (bytes > 0 && bytes + size > CHUNK_BYTES) close()
    header.clocks.push(clock)
    bytes += size
  }
  for (const row of piecesOf(segment.rows)) {
    const text = packRow(row)
    const size = Buffer.byteLength(text) + 1
    if (bytes > 0 && bytes + size > CHUNK_BYTES) close()
    bytes += size + groups.add(row, text)
  }
  for (const session of segment.sessions) {
    const size = Buffer.byteLength(JSON.stringify(session)) + 1
    if (bytes > 0 && bytes + size > CHUNK_BYTES) close()
    header.sessions.push(session)
    bytes += size
  }
  for (const piece of idPieces(segment.ids)) {
    const entry = { tenant: piece.tenant, source: piece.source, words: piece.words.length }
    const size = piece.words.length * WORD_BYTES + JSON.stringify(entry).length + 1
    if (bytes > 0 && bytes + size > CHUNK_BYTES) close()
    header.ids.push(entry)
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
    const header = JSON.parse(decoder.decode(chunk.subarray(WORD_BYTES, WORD_BYTES + length))) as StoredHeader
    let at = WORD_BYTES + length
    for (const { tenant, source, words: count } of header.ids) {
      const end = at + count * WORD_BYTES
      if (end > chunk.length) throw new RangeError('a chunk of a segment is cut short')
      const words = new Uint32Array(count)
      new Uint8Array(words.buffer).set(chunk.subarray(at, end))
      segment.ids.push({ tenant, source, words: IS_LITTLE_ENDIAN ? words : swapped(words) })
      at = end
    }
    for (const row of header.rows ?? []) segment.rows.push(row)
    for (const group of header.groups ?? []) for (const row of unpackRows(group)) segment.rows.push(row)
    for (const session of header.sessions ?? []) segment.sessions.push(session)
    for (const clock of header.clocks) segment.clocks.push(clock)
    segment.definitions.push(...header.definitions)
    segment.tenants.push(...header.tenants)
  }
  return segment
}
