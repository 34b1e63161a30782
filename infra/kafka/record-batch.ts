import { crc32c } from '@node-rs/crc32'

/** Of a batch without its records (record batch, magic 2). */
const HEADER_BYTES = 61
/** The checksum covers everything from here on. */
const CHECKED_FROM = 21
const NO_KEY = 1

const varintBytes = (value: number): number => {
  let bytes = 1
  for (let left = value; left > 127; left = Math.floor(left / 128)) bytes++
  return bytes
}

const writeVarint = (buffer: Buffer, at: number, value: number): number => {
  let next = at
  let left = value
  for (; left > 127; left = Math.floor(left / 128)) buffer[next++] = (left & 127) | 128
  buffer[next++] = left
  return next
}

/** Zigzag of what is not negative. */
const zigzag = (value: number): number => value * 2

const writeHeader = (
  buffer: Buffer,
  { from, to, at, records }: { from: number; to: number; at: number; records: number },
): void => {
  buffer.writeBigInt64BE(BigInt(from), 0)
  buffer.writeInt32BE(buffer.length - 12, 8)
  buffer.writeInt32BE(-1, 12) // leader epoch: none
  buffer[16] = 2 // magic
  buffer.writeInt16BE(0, 21) // no compression, no transaction, time of creation
  buffer.writeInt32BE(to - from, 23)
  buffer.writeBigInt64BE(BigInt(at), 27)
  buffer.writeBigInt64BE(BigInt(at), 35)
  buffer.writeBigInt64BE(-1n, 43) // producer id,
  buffer.writeInt16BE(-1, 51) // its epoch,
  buffer.writeInt32BE(-1, 53) // and its sequence: none
  buffer.writeInt32BE(records, 57)
  buffer.writeUInt32BE(crc32c(buffer.subarray(CHECKED_FROM)), 17)
}

/** One record in a batch of its own. */
export interface RecordEntry {
  offset: number
  /** As it goes over the wire. */
  batch: Buffer
  /** The part of it that is the record's value. */
  value: Buffer
  /** Milliseconds since 1970. */
  timestamp: number
  headers: RecordHeaders
}

/** ASCII. */
type RecordHeaders = Readonly<Record<string, string>>

const asciiBytes = (text: string): number => varintBytes(zigzag(text.length)) + text.length

const writeAscii = (buffer: Buffer, at: number, text: string): number => {
  const start = writeVarint(buffer, at, zigzag(text.length))
  return start + buffer.write(text, start, 'latin1')
}

/** A record without key. */
export const encodeRecord = (
  offset: number,
  timestamp: number,
  value: Uint8Array,
  headers: RecordHeaders = {},
): RecordEntry => {
  const named = Object.entries(headers)
  const headerBytes = named.reduce((sum, [name, text]) => sum + asciiBytes(name) + asciiBytes(text), 0)
  const lengthBytes = varintBytes(zigzag(value.length))
  // Attributes, difference of time, difference of offset, key; the value; number of headers, and they.
  const recordBytes = 4 + lengthBytes + value.length + varintBytes(zigzag(named.length)) + headerBytes
  const batch = Buffer.allocUnsafe(HEADER_BYTES + varintBytes(zigzag(recordBytes)) + recordBytes)
  let next = writeVarint(batch, HEADER_BYTES, zigzag(recordBytes))
  batch.fill(0, next, next + 3)
  batch[next + 3] = NO_KEY
  const start = writeVarint(batch, next + 4, zigzag(value.length))
  batch.set(value, start)
  next = writeVarint(batch, start + value.length, zigzag(named.length))
  for (const [name, text] of named) next = writeAscii(batch, writeAscii(batch, next, name), text)
  writeHeader(batch, { from: offset, to: offset, at: timestamp, records: 1 })
  return { offset, batch, value: batch.subarray(start, start + value.length), timestamp, headers }
}

/**
 * A batch without records, as compaction leaves them: it moves consumers over offsets that hold nothing for them, so
 * that they do not ask for the same again, and their lag becomes 0.
 */
export const encodeSkip = (from: number, to: number): Buffer => {
  const batch = Buffer.allocUnsafe(HEADER_BYTES)
  writeHeader(batch, { from, to, at: -1, records: 0 })
  return batch
}
