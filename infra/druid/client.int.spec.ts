import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../testing/until.ts'
import { createDruidClient } from './client.ts'

/** A Druid that answers as a test says, and remembers what was asked. */
const serve = async (answer: (response: ServerResponse, request: IncomingMessage) => void) => {
  const asked: { method: string; path: string; body: Record<string, unknown> }[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const { method = '', url: path = '' } = request
    asked.push({ method, path, body: JSON.parse(Buffer.concat(chunks).toString() || '{}') })
    if (method === 'DELETE') response.writeHead(202).end()
    else answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    asked,
    cancelled: () => asked.filter(({ method }) => method === 'DELETE').map(({ path }) => path),
    async stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

let druid: Awaited<ReturnType<typeof serve>>
afterEach(() => druid.stop())
const serving = async (answer: Parameters<typeof serve>[0], timeoutMs = 5_000) => {
  druid = await serve(answer)
  return createDruidClient({ url: `${druid.url}/`, timeoutMs })
}
const answering = (text: string | Buffer, status = 200) => serving((response) => response.writeHead(status).end(text))

describe('a question', () => {
  it('has its values beside the statement, its time-out and a name', async () => {
    const client = await answering('["a","b"]\n[1,"x"]\n[null,"😀"]\n\n')
    const answer = await client.query('SELECT a, b FROM t WHERE c = ? AND d = ? AND e = ?', ["'; DROP", 2 ** 40, 0.5])
    expect(answer).toEqual({
      columns: ['a', 'b'],
      rows: [
        [1, 'x'],
        [null, '😀'],
      ],
    })
    const [{ method, path, body }] = druid.asked
    expect([method, path]).toEqual(['POST', '/druid/v2/sql'])
    expect(body).toEqual({
      query: 'SELECT a, b FROM t WHERE c = ? AND d = ? AND e = ?',
      parameters: [
        { type: 'VARCHAR', value: "'; DROP" },
        { type: 'BIGINT', value: 2 ** 40 },
        { type: 'DOUBLE', value: 0.5 },
      ],
      resultFormat: 'arrayLines',
      header: true,
      context: { sqlQueryId: expect.any(String), timeout: 5_000, sqlTimeZone: 'UTC' },
    })
    expect(druid.cancelled()).toEqual([])
  })

  it('is answered in whatever pieces the answer comes', async () => {
    const bytes = Buffer.from('["é"]\n["😀 ü"]\n["b"]\n\n')
    const client = await serving(async (response) => {
      for (const byte of bytes) if (!response.write(Buffer.from([byte]))) await once(response, 'drain')
      response.end()
    })
    expect(await client.query('x')).toEqual({ columns: ['é'], rows: [['😀 ü'], ['b']] })
  })

  it('may have no rows', async () => {
    const client = await answering('["a"]\n\n')
    expect(await client.query('x')).toEqual({ columns: ['a'], rows: [] })
  })
})

describe('an answer that is not whole', () => {
  it.each([
    ['has no end', '["a"]\n[1]\n'],
    ['ends in the middle of a line', '["a"]\n[1]\n[2'],
    ['ends behind a line that looks whole', '["a"]\n[1]\n[2]'],
    ['is empty', ''],
    ['goes on behind its end', '["a"]\n\n[1]\n\n'],
    ['has a line that is no array', '["a"]\n{"error": "x"}\n\n'],
    ['has a line that is no JSON', '["a"]\n[1\n\n'],
  ])('is none when it %s', async (_, text) => {
    const client = await answering(text)
    await expect(client.query('x')).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /broke its answer off/ })
    await until('the question to be ended', () => druid.cancelled().length === 1)
  })

  it('is none when the connection breaks', async () => {
    const client = await serving((response) => {
      response.write('["a"]\n[1]\n', () => response.destroy())
    })
    await expect(client.query('x')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('is none when it is no UTF-8', async () => {
    const client = await answering(Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d, 0x0a, 0x0a]))
    await expect(client.query('x')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})

describe('an answer that is too big', () => {
  const endless = (response: ServerResponse): void => {
    const more = (): void => {
      while (!response.destroyed && response.write('[123456789]\n'));
    }
    response.write('["a"]\n')
    response.on('drain', more)
    more()
  }

  it.each([
    ['rows', { mostRows: 1_000 }, 'more than 1000 rows'],
    ['bytes', { mostBytes: 100_000 }, 'more than 100000 bytes'],
  ])('in %s is refused and ended', async (_, bounds, message) => {
    const client = await serving(endless)
    await expect(client.query('x', [], bounds)).rejects.toMatchObject({
      code: 'BAD_INPUT',
      message: expect.stringContaining(message),
    })
    await until('the question to be ended', () => druid.cancelled().length === 1)
  })

  it('is none with exactly as many rows as are allowed', async () => {
    const client = await answering('["a"]\n[1]\n[2]\n\n')
    expect((await client.query('x', [], { mostRows: 2 })).rows).toHaveLength(2)
  })
})

describe('a question that takes too long', () => {
  it('is ended in Druid and UNAVAILABLE', async () => {
    const client = await serving(() => undefined, 50)
    await expect(client.query('x')).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /longer than 0.05 s/ })
    await until('the question to be ended', () => druid.cancelled().length === 1)
    const context = druid.asked[0].body.context as { sqlQueryId: string }
    expect(druid.cancelled()).toEqual([`/druid/v2/sql/${context.sqlQueryId}`])
  })

  it('also when only its end does not come', async () => {
    const client = await serving((response) => void response.write('["a"]\n[1]\n'), 50)
    await expect(client.query('x')).rejects.toMatchObject({ code: 'UNAVAILABLE', message: /longer than/ })
    await until('the question to be ended', () => druid.cancelled().length === 1)
  })

  it('is ended when who asked gives up', async () => {
    const client = await serving(() => undefined)
    const stopped = new AbortController()
    const answer = client.query('x', [], { signal: stopped.signal })
    await until('the question', () => druid.asked.length === 1)
    stopped.abort(new Error('gone'))
    await expect(answer).rejects.toThrow('gone')
    await until('the question to be ended', () => druid.cancelled().length === 1)
  })
})

describe('an error', () => {
  const newer = (category: string, errorMessage: string) =>
    JSON.stringify({ error: 'druidException', errorCode: 'x', persona: 'USER', category, errorMessage, context: {} })
  const older = (error: string, errorMessage: string | null) =>
    JSON.stringify({ error, errorMessage, errorClass: 'x', host: null })

  it.each([
    [400, newer('INVALID_INPUT', 'Column [x] not found'), 'BAD_INPUT', 'Column [x] not found'],
    [400, newer('UNSUPPORTED', 'no such join'), 'BAD_INPUT', 'no such join'],
    [400, older('SQL parse failed', 'near x'), 'BAD_INPUT', 'near x'],
    [400, older('Resource limit exceeded', 'too many rows'), 'BAD_INPUT', 'too much for Druid at once'],
    [504, newer('TIMEOUT', 'Query timed out'), 'UNAVAILABLE', 'Query timed out'],
    [504, older('Query timeout', null), 'UNAVAILABLE', 'Query timeout'],
    [500, older('Unknown exception', 'Failure getting results'), 'UNAVAILABLE', 'Failure getting results'],
    [500, newer('RUNTIME_FAILURE', 'no'), 'UNAVAILABLE', 'Druid answered 500: no'],
    [502, '<html>', 'UNAVAILABLE', 'Druid answered 502: <html>'],
    [503, '', 'UNAVAILABLE', 'Druid answered 503'],
    [401, '"unauthorized"', 'UNAVAILABLE', 'Druid answered 401'],
  ])('of status %i, %s, is %s', async (status, text, code, message) => {
    const client = await answering(text, status)
    await expect(client.query('x')).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
    expect(druid.cancelled()).toEqual([])
  })

  it('of a Druid that is not there is UNAVAILABLE and says why', async () => {
    const client = await answering('')
    await druid.stop()
    await expect(client.query('x')).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('ECONNREFUSED'),
    })
  })
})
