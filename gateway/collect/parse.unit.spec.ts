import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseBody } from './parse.ts'

const parse = (text: string | Buffer) => parseBody(Buffer.from(text as string))
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

/** Such keys are refused: see parse-escaped.unit.spec.ts. */
const hasBackslashKey = (value: unknown): boolean => {
  let found = false
  JSON.stringify(value, (key, inner) => {
    found ||= key.includes('\\')
    return inner
  })
  return found
}

describe('a collector body', () => {
  it('of any events reads the same as lines, as an array and pretty-printed', () => {
    const event = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ depthSize: 'small' }), { minKeys: 1 })
    const events = fc.array(
      event.filter((one) => !hasBackslashKey(one)),
      { maxLength: 5 },
    )
    fc.assert(
      fc.property(events, fc.constantFrom('\n', '\r\n', '\n\n \t\n'), (values, separator) => {
        const plain = values.map((value) => JSON.parse(JSON.stringify(value)))
        expect(parse(values.map((value) => JSON.stringify(value)).join(separator)).events).toEqual(plain)
        expect(parse(JSON.stringify(values)).events).toEqual(plain)
        expect(parse(JSON.stringify(values, null, 2)).events).toEqual(plain)
        if (values.length > 0) expect(parse(JSON.stringify(values[0], null, 2)).events).toEqual([plain[0]])
      }),
    )
  })

  it('may start with a byte order mark', () => {
    expect(parse('\ufeff{"a":1}').events).toEqual([{ a: 1 }])
    expect(parse('\ufeff [{"a":1}]').events).toEqual([{ a: 1 }])
  })

  it('of nothing but space has no events', () => {
    expect(parse(' \r\n\n\t').events).toEqual([])
    expect(parse('[ ]').events).toEqual([])
  })

  it('keeps the index of a malformed line, and counts no blank ones', () => {
    const { events, problems } = parse('{"a":1}\n\n{"a":\n{"a":3}\n]')
    expect(events).toEqual([{ a: 1 }, undefined, { a: 3 }, undefined])
    expect([...problems].map(([index, { code, message }]) => [index, code, message.split('.')[0]])).toEqual([
      [1, 'MALFORMED', 'expected a value, the text ends at column 6'],
      [3, 'MALFORMED', 'expected a value, found ] at column 1'],
    ])
  })

  it('that begins with a malformed line goes on with the next', () => {
    expect(parse('{"a":1\n{"a":2}').events).toEqual([undefined, { a: 2 }])
  })

  it('with bytes that are not UTF-8 loses only the line or element that has them', () => {
    const lines = bytes('{"a":"ä"}\n{"a":"', [0xff], '"}\n{"a":"ö"}')
    expect(parse(lines).events).toEqual([{ a: 'ä' }, undefined, { a: 'ö' }])
    const array = bytes('[{"a":"ä,]"},{"a":["', [0xc3], '"]},"\\"[",{"a":[{}]}, 5 ]')
    const { events, problems } = parse(array)
    expect(events).toEqual([{ a: 'ä,]' }, undefined, '"[', { a: [{}] }, 5])
    expect([...problems.keys()]).toEqual([1])
    expect(problems.get(1)).toMatchObject({ code: 'MALFORMED', message: expect.stringContaining('UTF-8') })
  })

  it('that is an array with bytes outside of its strings is refused whole', () => {
    expect(() => parse(bytes('[1,', [0xff], ']'))).toThrow(/no JSON array.*found U\+00FF at column 4/)
  })

  it('tells what is wrong with an element by its path within the element', () => {
    const { events, problems } = parse('[{"a":1},{"b":{"c/d":[1e999]}}]')
    expect(events).toEqual([{ a: 1 }, undefined])
    expect(problems.get(1)).toMatchObject({ code: 'MALFORMED', path: '/b/c~1d/0' })
  })
})
