import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WireReader, WireWriter } from './wire.ts'

const whole = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })
const item = fc.oneof(
  fc.record({ type: fc.constant('int8' as const), value: whole(8) }),
  fc.record({ type: fc.constant('int16' as const), value: whole(16) }),
  fc.record({ type: fc.constant('int32' as const), value: whole(32) }),
  fc.record({ type: fc.constant('int64' as const), value: fc.maxSafeInteger() }),
  fc.record({
    type: fc.constant('text' as const),
    value: fc.option(fc.string({ unit: 'grapheme', maxLength: 2_000 })),
  }),
  fc.record({ type: fc.constant('bytes' as const), value: fc.uint8Array({ maxLength: 3_000 }) }),
)

test('what is written is read again, whatever stands beside it', () => {
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const writer = new WireWriter()
      for (const { type, value } of items) {
        if (type === 'text') writer.string(value)
        else if (type === 'bytes') writer.append(Buffer.from(value))
        else writer[type](value)
      }
      const bytes = Buffer.concat(writer.parts())
      expect(writer.length).toBe(bytes.length)
      const reader = new WireReader(bytes)
      const read = items.map(({ type, value }) => {
        if (type === 'text') return { type, value: reader.nullableString() }
        if (type === 'bytes') return { type, value: new Uint8Array(reader.bytes(value.length)) }
        return { type, value: reader[type]() }
      })
      expect(read).toEqual(items)
      expect(reader.left).toBe(0)
    }),
  )
})

test('arrays keep their order; a null one is empty where it may not be null', () => {
  const writer = new WireWriter()
  writer.array(['a', 'b'], (one) => writer.string(one))
  writer.int32(-1).int32(-1)
  const reader = new WireReader(Buffer.concat(writer.parts()))
  expect(reader.array(2, () => reader.string())).toEqual(['a', 'b'])
  expect(reader.nullableArray(2, () => reader.string())).toBeNull()
  expect(reader.array(2, () => reader.string())).toEqual([])
})

test.each([
  ['a number that is cut', (reader: WireReader) => reader.int32(), [0, 0]],
  ['text that is longer than the rest', (reader: WireReader) => reader.string(), [0, 9, 65]],
  ['null where there must be text', (reader: WireReader) => reader.string(), [255, 255]],
  ['bytes of a negative length', (reader: WireReader) => reader.bytes(-2), [0, 0]],
  ['more items than there are bytes for', (reader: WireReader) => reader.array(1, () => 0), [127, 255, 255, 255, 1]],
])('%s is refused', (_, read, bytes) => {
  expect(() => read(new WireReader(Buffer.from(bytes)))).toThrow(/^expected /)
})
