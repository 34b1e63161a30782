import { expect, test } from 'vitest'
import { parseAccessLine } from './access-log.ts'

const line = (request: string, rest = '200 5 "-" "curl/8"', host = '1.2.3.4 - -') =>
  parseAccessLine(`${host} [17/May/2015:10:05:03 +0200] "${request}" ${rest}`)

test('a line gives address, time with its zone, request, status, bytes, referrer and user agent', () => {
  const text =
    '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a/b.png?x=1&y=2 HTTP/1.1" 200 203023 "http://site/" "Mozilla/5.0 (X11)"'
  expect(parseAccessLine(text)).toEqual({
    host: '83.149.9.216',
    time: '2015-05-17T10:05:03+00:00',
    method: 'GET',
    path: '/a/b.png',
    query: 'x=1&y=2',
    status: 200,
    bytes: 203023,
    referrer: 'http://site/',
    userAgent: 'Mozilla/5.0 (X11)',
  })
})

test('a dash stands for nothing: no bytes, no referrer, no user agent, no user', () => {
  expect(line('GET / HTTP/1.1', '304 - "-" "-"')).toEqual({
    host: '1.2.3.4',
    time: '2015-05-17T10:05:03+02:00',
    method: 'GET',
    path: '/',
    status: 304,
  })
})

test('the name of a signed-in user may hold spaces, a host may be a name or IPv6', () => {
  expect(line('GET / HTTP/1.1', undefined, '2001:db8::1 - Mary Ann')).toMatchObject({
    host: '2001:db8::1',
    user: 'Mary Ann',
  })
})

test('the common format has neither referrer nor user agent', () => {
  expect(line('GET / HTTP/1.0', '200 17')).toMatchObject({ status: 200, bytes: 17, path: '/' })
})

test('a field whose closing quote was cut off is kept as far as it goes', () => {
  expect(line('GET / HTTP/1.1', '200 5 "-" "Googlebot/2.1; +http://www.google.com/bot.html')).toMatchObject({
    userAgent: 'Googlebot/2.1; +http://www.google.com/bot.html',
  })
  expect(line('GET / HTTP/1.1', '200 5 "-" "cut\\')).toMatchObject({ userAgent: 'cut' })
})

test.each([
  ['GET /', { method: 'GET', path: '/' }],
  ['-', {}],
  ['', {}],
  ['\\x16\\x03\\x01', { request: '\\x16\\x03\\x01' }],
  ['hello there', { request: 'hello there' }],
  ['GET /with space HTTP/1.1', { method: 'GET', path: '/with space' }],
  ['GET /a?b?c HTTP/1.1', { method: 'GET', path: '/a', query: 'b?c' }],
  ['CONNECT example.org:443 HTTP/2', { method: 'CONNECT', path: 'example.org:443' }],
])('the request line "%s" is taken apart as far as that goes', (request, expected) => {
  const parsed = line(request)
  expect(parsed).toEqual({
    host: '1.2.3.4',
    time: '2015-05-17T10:05:03+02:00',
    ...expected,
    status: 200,
    bytes: 5,
    userAgent: 'curl/8',
  })
})

test('quotes inside a field, escaped or not, belong to it', () => {
  expect(line('GET /a"b HTTP/1.1', '200 5 "say \\"hi\\" \\\\" "agent"x"')).toMatchObject({
    path: '/a"b',
    referrer: 'say "hi" \\',
    userAgent: 'agent"x',
  })
})

test('escaped bytes become text where they are UTF-8 and stay as written where they are not', () => {
  expect(line('GET /caf\\xc3\\xa9 HTTP/1.1', '200 5 "http://\\xe4\\xe5\\xe3/" "\\x07\\n\\\\x41"')).toMatchObject({
    path: '/café',
    referrer: 'http://\\xe4\\xe5\\xe3/',
    userAgent: '\\x07\\n\\x41',
  })
})

test('bytes beyond what a number holds exactly are left out', () => {
  expect(line('GET / HTTP/1.1', '200 99999999999999999999 "-" "-"')).not.toHaveProperty('bytes')
})

test.each([
  ['', 'expected: address'],
  ['hello', 'expected: address'],
  ['1.2.3.4 - - [17/May/2015] "GET / HTTP/1.1" 200 5', 'expected: address'],
  ['1.2.3.4 - - [31/Feb/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5', 'no such time: 2015-02-31'],
  ['1.2.3.4 - - [17/Mai/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5', 'no such time: 2015-00-17'],
  ['1.2.3.4 - - [17/May/2015:10:05:03 +0000] GET / HTTP/1.1 200 5', 'expected a "request"'],
  ['1.2.3.4 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" OK 5', 'expected status'],
])('"%s" is no line of an access log, and the answer says why', (text, problem) => {
  expect(parseAccessLine(text)).toContain(problem)
})

test('a very long hostile line is judged in no time', () => {
  expect(typeof line(`GET /${'\\"'.repeat(300_000)} HTTP/1.1`)).toBe('object')
  expect(typeof parseAccessLine('1 '.repeat(400_000))).toBe('string')
  expect(typeof parseAccessLine(`1.2.3.4 - ${' ['.repeat(400_000)}`)).toBe('string')
})
