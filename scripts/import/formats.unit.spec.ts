import { expect, test } from 'vitest'
import { FORMATS } from './formats.ts'

const LINE = '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a?q=1 HTTP/1.1" 200 7 "http://site/" "curl/8"'
const read = (format: keyof typeof FORMATS, text: string | Buffer, number = 1) => {
  const parsed = FORMATS[format](Buffer.from(text), number)
  return 'json' in parsed ? JSON.parse(parsed.json) : parsed.problem
}

test('a line of an access log is a page view of its address at its time', () => {
  expect(read('apache-combined', LINE)).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    name: 'page_view',
    time: '2015-05-17T10:05:03+00:00',
    anonymousId: '83.149.9.216',
    properties: { method: 'GET', path: '/a', query: 'q=1', status: 200, bytes: 7, referrer: 'http://site/' },
    context: { ip: '83.149.9.216', userAgent: 'curl/8' },
  })
})

test('a host name gives no address, a signed-in user is the user', () => {
  const event = read('apache-combined', LINE.replace('83.149.9.216 - -', 'host.example - mary'))
  expect(event).toMatchObject({ anonymousId: 'host.example', userId: 'mary' })
  expect(event.context).toEqual({ userAgent: 'curl/8' })
})

test('the same line at the same place has the same id; at another place, or another line, has another', () => {
  const ids = [
    read('apache-combined', LINE, 1),
    read('apache-combined', LINE, 2),
    read('apache-combined', `${LINE} `, 1),
  ]
  expect(read('apache-combined', LINE, 1).id).toBe(ids[0].id)
  expect(new Set(ids.map(({ id }) => id)).size).toBe(3)
})

test('odd bytes never become half a character', () => {
  const odd = Buffer.concat([Buffer.from(LINE.slice(0, -1)), Buffer.from([0xed, 0xa0, 0x80, 0x22])])
  expect(read('apache-combined', odd).context.userAgent).toBe('curl/8\u00ed\u00a0\u0080')
})

test('an NDJSON event with an id goes on byte by byte', () => {
  const text = '{"name":"a", "id":"x","properties":{"n":1.0,"n":2e0}}'
  expect(FORMATS.ndjson(Buffer.from(` ${text} `), 1)).toEqual({ json: text })
})

test('an NDJSON event without an id gets one of its content and place, and nothing else changes', () => {
  expect(FORMATS.ndjson(Buffer.from('{ "n":1.0}'), 3)).toEqual({
    json: expect.stringMatching(/^\{"id":"\w{32}","n":1\.0\}$/),
  })
  expect(read('ndjson', '{ }', 3)).toEqual({ id: expect.stringMatching(/^\w{32}$/) })
  expect(read('ndjson', '{"a":1}', 3).id).not.toBe(read('ndjson', '{"a":1}', 4).id)
})

test.each(['{', '[]', '1', 'null', '"text"', '{"a":1} {"b":2}'])('%s is no NDJSON event', (text) => {
  expect(read('ndjson', text)).toEqual(expect.any(String))
})

test('NDJSON that is not UTF-8 is no event', () => {
  expect(read('ndjson', Buffer.from('{"id":"\xe9"}', 'latin1'))).toContain('UTF-8')
})
