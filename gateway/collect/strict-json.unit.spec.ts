import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { scanJson } from './strict-json.ts'

const scan = (text: string, maxDepth = 32, unit = 0) => scanJson(text, { maxDepth, unit })
const kinds = (text: string, maxDepth?: number) => scan(text, maxDepth).map((problem) => problem.kind)
const parses = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('syntax', () => {
  it('calls a text malformed exactly when JSON.parse does, whatever was cut, doubled or swapped in it', () => {
    const damaged = fc
      .tuple(
        fc.json(),
        fc.nat(),
        fc.nat(3),
        fc.constantFrom(
          '',
          '"',
          '\\',
          '{',
          '}',
          '[',
          ']',
          ',',
          ':',
          '0',
          '-',
          '.',
          'e',
          'u',
          '\n',
          '\u0001',
          'é',
          '\ud800',
          '1e',
          'tru',
          ' ',
        ),
      )
      .map(([text, at, drop, insert]) => {
        const i = at % (text.length + 1)
        return text.slice(0, i) + insert + text.slice(i + drop)
      })
    fc.assert(
      fc.property(damaged, (text) => {
        expect(kinds(text, 1000).includes('SYNTAX')).toBe(!parses(text))
      }),
      { numRuns: 5000 },
    )
  })

  it('agrees with JSON.parse on texts made of structure alone', () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"b"',
      '1',
      '-0',
      '01',
      '1.',
      '.5',
      '1e5',
      '1E+',
      'true',
      'nul',
      ' ',
      '\n',
      '"\\u12"',
      '"\\x"',
      '"\t"',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
        const text = parts.join('')
        expect(kinds(text, 1000).includes('SYNTAX')).toBe(!parses(text))
      }),
      { numRuns: 20_000 },
    )
  })

  it('finds nothing in any value that JSON.stringify wrote without a lone surrogate', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), fc.boolean(), (value, pretty) => {
        expect(scan(JSON.stringify(value, null, pretty ? 2 : 0), 1000)).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })

  it('tells line and column of what it did not expect', () => {
    expect(scan('{"a":1,\n "b" 2}')).toEqual([
      { kind: 'SYNTAX', path: ['b'], offset: 13, message: "expected ':', found 2 at line 2, column 6" },
    ])
    expect(scan('[1,')[0].message).toBe('expected a value, the text ends at column 4')
    expect(scan('')[0].message).toBe('expected a value, the text ends at column 1')
    expect(scan('{} {}')[0].message).toBe('expected the end of the text, found { at column 4')
  })
})

describe('duplicate keys', () => {
  it('are found with their path, also when one of them is escaped', () => {
    expect(scan('{"p":{"a":1,"\\u0061":2}}')).toMatchObject([{ kind: 'DUPLICATE_KEY', path: ['p', 'a'] }])
    expect(scan('{"\\u0061":1,"a":2}')).toMatchObject([{ kind: 'DUPLICATE_KEY', path: ['a'] }])
    expect(scan('{"\\/":1,"\\u002f":2}')).toMatchObject([{ kind: 'DUPLICATE_KEY', path: ['/'] }])
    expect(scan('{"":1,"":2}')).toMatchObject([{ kind: 'DUPLICATE_KEY', path: [''] }])
  })

  it('are told apart by object', () => {
    expect(scan('[{"a":{"a":{"a":1}}},{"a":[{"a":1},{"a":2}],"b":{"a":1}}]')).toEqual([])
  })

  it('are found exactly when an object has fewer keys than were written, however many there are', () => {
    const keys = fc.array(fc.string({ maxLength: 2, unit: fc.constantFrom('a', 'b', 'ä', '"', '\n') }), {
      maxLength: 40,
    })
    const spelled = (key: string, withEscapes: boolean) =>
      withEscapes
        ? `"${[...key].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
        : JSON.stringify(key)
    fc.assert(
      fc.property(keys, fc.infiniteStream(fc.boolean()), (names, escapes) => {
        const text = `{${names.map((name) => `${spelled(name, escapes.next().value)}:{"a":0}`).join(',')}}`
        expect(kinds(text).includes('DUPLICATE_KEY')).toBe(new Set(names).size < names.length)
      }),
      { numRuns: 3000 },
    )
  })

  it('of 100,000 keys are found in one pass', () => {
    const keys = Array.from({ length: 100_000 }, (_, i) => `"k${i}":0`)
    expect(scan(`{${keys.join(',')},"k0":1}`)).toMatchObject([{ kind: 'DUPLICATE_KEY', path: ['k0'] }])
  })
})

describe('lone surrogates', () => {
  it('are found raw and escaped, in values and in keys', () => {
    expect(scan('{"a":"\\ud800"}')).toMatchObject([{ kind: 'LONE_SURROGATE', path: ['a'], offset: 6 }])
    expect(scan('{"a":["x","\\uDC00x"]}')).toMatchObject([{ kind: 'LONE_SURROGATE', path: ['a', 1] }])
    expect(scan('{"a":"\ud800"}')).toMatchObject([{ kind: 'LONE_SURROGATE', path: ['a'] }])
    expect(scan('{"\\ud800":1}')).toMatchObject([{ kind: 'LONE_SURROGATE', path: ['\ud800'] }])
    expect(kinds('"\\ud800\\ud800\\udc00"')).toEqual(['LONE_SURROGATE'])
    expect(kinds('"\\ud800\\n"')).toEqual(['LONE_SURROGATE'])
  })

  it('are found exactly when the decoded string is not well-formed', () => {
    const unit = fc.constantFrom('\\ud83d', '\\ude00', '\ud83d', '\ude00', 'a', '\\n', '\\u0041')
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 6 }), (units) => {
        const text = `"${units.join('')}"`
        expect(kinds(text).includes('LONE_SURROGATE')).toBe(!(JSON.parse(text) as string).isWellFormed())
      }),
      { numRuns: 3000 },
    )
  })
})

describe('numbers', () => {
  it('beyond a double are found exactly when JSON.parse makes them infinite', () => {
    const number = fc
      .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 320n }), fc.option(fc.integer({ min: -400, max: 400 })))
      .map(
        ([negative, digits, exponent]) => `${negative ? '-' : ''}${digits}${exponent === null ? '' : `e${exponent}`}`,
      )
    fc.assert(
      fc.property(number, (text) => {
        expect(kinds(text).length > 0).toBe(!Number.isFinite(JSON.parse(text)))
      }),
      { numRuns: 3000 },
    )
    expect(scan('{"a":{"b":[1,1e999]}}')).toMatchObject([{ kind: 'NUMBER_TOO_LARGE', path: ['a', 'b', 1] }])
    expect(scan('1e-999')).toEqual([])
    expect(kinds('9'.repeat(400))).toEqual(['NUMBER_TOO_LARGE'])
  })
})

describe('depth', () => {
  it('is counted in open containers', () => {
    expect(scan('[[1]]', 2)).toEqual([])
    expect(scan('[{"a":[1]}]', 2)).toMatchObject([{ kind: 'TOO_DEEP', path: [0, 'a'] }])
    expect(scan('[[[1]],[[2]],3]', 2, 1)).toMatchObject([
      { kind: 'TOO_DEEP', path: [0, 0] },
      { kind: 'TOO_DEEP', path: [1, 0] },
    ])
  })

  it('of a million is found without recursion', () => {
    const open = '['.repeat(500_000)
    expect(kinds(open + open)).toEqual(['TOO_DEEP', 'SYNTAX'])
    expect(kinds(open + ']'.repeat(500_000))).toEqual(['TOO_DEEP'])
    expect(kinds('{"a":'.repeat(200_000))).toEqual(['TOO_DEEP', 'SYNTAX'])
  })

  it('does not hide that brackets beyond it do not match', () => {
    expect(kinds('[[[{]}]]', 2)).toEqual(['TOO_DEEP', 'SYNTAX'])
    expect(kinds('[[[{"a":1,"a":2}],1],1]', 2)).toEqual(['TOO_DEEP'])
  })
})

describe('units', () => {
  it('tell their first problem each, so that a problem in one hides none in another', () => {
    const bad = '{"a":1,"a":"\\ud800","b":1e999}'
    expect(scan(`[${bad},{"a":1},${bad}]`, 32, 1).map((problem) => [problem.kind, problem.path])).toEqual([
      ['DUPLICATE_KEY', [0, 'a']],
      ['DUPLICATE_KEY', [2, 'a']],
    ])
    const body = `{"query":"…","variables":{"one":[${bad},1,${bad}],"two":[1e999]},"query":""}`
    expect(scan(body, 35, 3).map((problem) => problem.path)).toEqual([
      ['variables', 'one', 0, 'a'],
      ['variables', 'one', 2, 'a'],
      ['variables', 'two', 0],
      ['query'],
    ])
  })

  it('with a long escaped key above them do not make the scan quadratic', () => {
    const key = '\\u0061'.repeat(50_000)
    const problems = scan(`{"${key}":[${Array(50_000).fill('1e999').join(',')}]}`, 32, 2)
    expect(problems).toHaveLength(50_000)
  })
})
