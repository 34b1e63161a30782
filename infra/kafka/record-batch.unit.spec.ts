import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readBatches } from './fixtures/client.ts'
import { encodeRecord, encodeSkip } from './record-batch.ts'

/** CRC-32C bit by bit, as its polynomial says. */
const slowCrc = (bytes: Uint8Array): number => {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test('a record, byte by byte', () => {
  const { batch, value } = encodeRecord(5, 1_000, Buffer.from('hi'))
  const parts = [
    '0000000000000005', // offset
    '0000003a', // 58 bytes follow
    'ffffffff', // no leader epoch
    '02', // magic
    '????????', // checksum of what follows
    '0000', // attributes
    '00000000', // last offset, from the first
    '00000000000003e8', // first time
    '00000000000003e8', // last time
    'ffffffffffffffff', // no producer
    'ffff',
    'ffffffff',
    '00000001', // one record
    '10', // of 8 bytes
    '00', // attributes
    '00', // time, from the first
    '00', // offset, from the first
    '01', // no key
    '04', // a value of 2 bytes
    '6869',
    '00', // no headers
  ]
  const hex = batch.toString('hex')
  expect(`${hex.slice(0, 34)}????????${hex.slice(42)}`).toBe(parts.join(''))
  expect(batch.readUInt32BE(17)).toBe(slowCrc(batch.subarray(21)))
  expect(value.toString()).toBe('hi')
})

test('headers, byte by byte', () => {
  const { batch, value } = encodeRecord(5, 1_000, Buffer.from('hi'), { a: '12', bc: '' })
  const record = [
    '22', // of 17 bytes
    '00000001',
    '046869',
    '04', // two headers
    '0261', // a name of 1 byte
    '043132', // a value of 2
    '046263',
    '00', // a value of none
  ]
  expect(batch.subarray(61).toString('hex')).toBe(record.join(''))
  expect(value.toString()).toBe('hi')
})

test('the checksum is CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  fc.assert(fc.property(fc.uint8Array(), (bytes) => crc32c(Buffer.from(bytes)) === slowCrc(bytes)))
})

test('records of any size, and batches without one, are read again', () => {
  const record = fc.record({
    offset: fc.nat(Number.MAX_SAFE_INTEGER),
    timestamp: fc.nat(Number.MAX_SAFE_INTEGER),
    value: fc.oneof(
      fc.string(),
      fc.integer({ min: 0, max: 300_000 }).map((length) => 'x'.repeat(length)),
    ),
  })
  fc.assert(
    fc.property(fc.array(record, { maxLength: 5 }), fc.nat(), fc.nat(2 ** 31 - 1), (records, from, count) => {
      const entries = records.map(({ offset, timestamp, value }) => encodeRecord(offset, timestamp, Buffer.from(value)))
      const bytes = Buffer.concat([...entries.map(({ batch }) => batch), encodeSkip(from, from + count)])
      const clean = (text: string): string => Buffer.from(text).toString()
      expect(readBatches(bytes)).toEqual([
        ...records.map(({ offset, timestamp, value }) => ({
          from: offset,
          to: offset,
          timestamp,
          value: clean(value),
        })),
        { from, to: from + count, timestamp: -1, value: null },
      ])
      for (const [i, { value }] of entries.entries()) expect(value.toString()).toBe(clean(records[i].value))
    }),
  )
})
