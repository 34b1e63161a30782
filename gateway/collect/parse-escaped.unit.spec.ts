import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBody } from './parse.ts'
import { parseEscaped } from './parse-escaped.ts'

test('parses as JSON.parse does where that can be trusted', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom('', ' ', '\r\n\t '), (json, gap) => {
      const text = gap + json.replaceAll(/([[\]{},:])(?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)/g, `${gap}$1${gap}`) + gap
      expect(parseEscaped(text)).toEqual(JSON.parse(text))
    }),
    {
      numRuns: 300,
      examples: [
        ['[]', ' '],
        ['{}', ' '],
        ['{"__proto__":{"a":[]}}', ''],
      ],
    },
  )
})

/** What any request to the same process may have made V8 remember. */
const poison = (): void => {
  for (const text of ['{"h":[],"\\\\":0}', '{"properties":{"h":1,"\\\\":0}}']) JSON.parse(text)
}

test.each([
  ['{"properties":{"h":1,"\\"":2}}', '"'],
  ['{"properties":{"h":1,"\\n":2}}', '\n'],
  ['{"properties":{"h":1,"\\u0061":2}}', 'a'],
])('keys of an event are its own, whatever other clients had sent: %s', (text, key) => {
  poison()
  const expected = { properties: { h: 1, [key]: 2 } }
  for (const body of [text, `[${text}]`, `[${text},{"a":1,"a":2}]`, `${text}\n{}`]) {
    expect(parseBody(Buffer.from(body)).events[0]).toEqual(expected)
  }
})

test.each(['{"\\\\":1}', '{"properties":{"a\\u005cb":1}}'])('a key with a backslash is refused: %s', (text) => {
  for (const body of [text, `[${text}]`]) {
    const { events, problems } = parseBody(Buffer.from(body))
    expect(events).toEqual([undefined])
    expect(problems.get(0)).toMatchObject({
      code: 'MALFORMED',
      message: expect.stringContaining('no backslash in a key'),
    })
  }
})
