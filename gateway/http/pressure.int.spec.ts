import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { Registry } from 'prom-client'
import { expect, onTestFinished, test, vi } from 'vitest'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { createAuthenticator } from '../auth.ts'
import { createAdmission } from '../collect/admission.ts'
import { createCollector } from '../collect/collector.ts'
import { createCollectMetrics } from '../collect/metrics.ts'
import { createPriorities } from '../collect/priority.ts'
import { createSchemaCheck } from '../collect/schema-check.ts'
import { createIntake } from '../indicators/intake.ts'
import { createFakeGeoIp, createMemoryKeys, createMemoryLog } from '../testing/fakes.ts'
import { createHttpServer, type HttpServerDependencies } from './server.ts'

const LIMIT = 1_000_000
const HIGH = 200_000

/** A gateway whose log acknowledges nothing until it is told to. */
const setUp = async (changes: Partial<HttpServerDependencies> = {}) => {
  const { promise: acknowledged, resolve: acknowledge } = Promise.withResolvers<void>()
  const memory = createMemoryLog(() => acknowledged)
  const admission = createAdmission({ limitBytes: LIMIT, highBytes: HIGH })
  let refusedBodies = 0
  const priorityOf = createPriorities({ schemas: BUILTIN_SCHEMAS, high: ['order'], low: [] })
  const collector = createCollector({
    log: memory.log,
    geoip: createFakeGeoIp({}),
    clock: { now: Date.now },
    metrics: createCollectMetrics(new Registry()),
    intake: createIntake(() => 0),
    checkSchema: createSchemaCheck(BUILTIN_SCHEMAS),
    shedding: { shed: { weightOf: () => 1 }, priorityOf },
    partitions: 8,
    processId: 'test',
    frames: { admission },
  })
  const server = createHttpServer({
    collector,
    authenticate: createAuthenticator(createMemoryKeys({ w: 'WRITE' })),
    registry: new Registry(),
    readiness: () => ({ ready: true, problems: [] }),
    onError: (error) => expect(error).toBeUndefined(),
    admission: { ...admission, onRefused: () => refusedBodies++ },
    ...changes,
  })
  const port = await server.listen({ port: 0, host: '127.0.0.1' })
  onTestFinished(async () => {
    acknowledge()
    await server.close(100)
  })
  const post = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${port}/v1/events?key=w`, { method: 'POST', body: body as string, headers })
  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  return { admission, acknowledge, post, open, refusedBodies: () => refusedBodies }
}

const event = (id: string, name: string, bytes: number, sessionId = id) =>
  JSON.stringify({ id, name, sessionId, properties: { padding: 'x'.repeat(bytes) } })
const events = (prefix: string, name: string, count: number) =>
  Array.from({ length: count }, (_, i) => event(`${prefix}-${i}`, name, 10_000)).join('\n')

const errorOf = async (response: Response) => ((await response.json()) as { error: object }).error
const HEAD = 'POST /v1/events?key=w HTTP/1.1\r\nhost: x\r\n'

test('past the bound requests are refused with a time, HIGH events are still taken, and all that was taken is answered', async () => {
  const { admission, acknowledge, post } = await setUp()
  const taken = post(events('taken', 'big', 10))
  await vi.waitFor(() => expect(admission.usedBytes()).toBeGreaterThan(200_000))
  const rest = admission.open()
  rest.grow(LIMIT - HIGH - admission.usedBytes())
  const refused = await post(events('more', 'big', 5))
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10'])
  expect(await errorOf(refused)).toMatchObject({ code: 'OVERLOADED', retryable: true, retryAfterMs: 10_000 })
  const before = admission.usedBytes()
  const mixed = post(`${event('normal', 'big', 10_000)}\n${event('high', 'order', 10_000)}`)
  await vi.waitFor(() => expect(admission.usedBytes()).toBeGreaterThan(before + 30_000))
  acknowledge()
  const receipt = (await (await mixed).json()) as { accepted: number; verdicts: object[] }
  expect(receipt.accepted).toBe(1)
  expect(receipt.verdicts).toMatchObject([{ id: 'normal', code: 'OVERLOADED', retryable: true }])
  expect(await (await taken).json()).toMatchObject({ accepted: 10 })
  rest.release()
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(0))
  expect((await post(events('again', 'big', 5))).status).toBe(200)
})

test('a body that has no room is refused without being kept, and its sender sees the answer', async () => {
  const { admission, post, refusedBodies } = await setUp()
  const share = admission.open()
  share.grow(LIMIT - HIGH)
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => post(events(`large-${i}`, 'big', 60))))
  for (const answer of answers) {
    expect(answer.status).toBe(429)
    expect(await errorOf(answer)).toMatchObject({ code: 'OVERLOADED' })
  }
  expect(refusedBodies()).toBe(20)
  share.release()
  expect(admission.usedBytes()).toBe(0)
})

test('many bodies that come at once never hold more than the bound, whether they say how long they are or not', async () => {
  const { admission, open } = await setUp()
  const sockets = await Promise.all(Array.from({ length: 60 }, open))
  const answers = sockets.map(async (socket) => {
    let text = ''
    for await (const chunk of socket.setEncoding('utf8')) {
      text += chunk
      if (text.includes('\r\n\r\n')) break
    }
    return text
  })
  let most = 0
  for (const [i, socket] of sockets.entries()) {
    const length = i % 2 === 0 ? 'content-length: 400000\r\n\r\n' : 'transfer-encoding: chunked\r\n\r\n'
    socket.write(HEAD + length)
  }
  for (let part = 0; part < 8; part++) {
    for (const [i, socket] of sockets.entries()) {
      const data = 'x'.repeat(50_000)
      socket.write(i % 2 === 0 ? data : `${data.length.toString(16)}\r\n${data}\r\n${part === 7 ? '0\r\n\r\n' : ''}`)
    }
    await new Promise(setImmediate)
    most = Math.max(most, admission.usedBytes())
  }
  for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /)
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(LIMIT)
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(0))
})

test('bombs are counted as they unpack, and leave nothing behind', async () => {
  const { admission, post } = await setUp()
  const bomb = gzipSync(Buffer.alloc(50_000_000))
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(bomb, { 'content-encoding': 'gzip' })))
  for (const { status } of answers) expect([413, 429]).toContain(status)
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(0))
})

test('a body that comes too slowly is given up, and its bytes are given back', async () => {
  const { admission, open } = await setUp({ body: { timeoutMs: 300 } })
  const socket = await open()
  socket.write(`${HEAD}content-length: 100000\r\n\r\n${'x'.repeat(50_000)}`)
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(50_000))
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 400 [\s\S]*Expected the whole body within 300 ms/)
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(0))
})

test('a client that goes away with half a body leaves nothing behind', async () => {
  const { admission, open } = await setUp()
  const socket = await open()
  socket.write(`${HEAD}content-length: 100000\r\n\r\n${'x'.repeat(50_000)}`)
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(50_000))
  socket.resetAndDestroy()
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(0))
})

test('a client that does not read its answers is held to a few of them, and cut off', async () => {
  const { admission, acknowledge, open } = await setUp({ idleMs: 500 })
  acknowledge()
  const socket = await open()
  socket.pause()
  // Each answer names thousands of refused events: more than the system's own buffers take.
  const body = '{}\n'.repeat(5_000)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  const request = `${HEAD}content-length: ${body.length}\r\n\r\n${body}`
  for (let i = 0; i < 40; i++) socket.write(request)
  await vi.waitFor(() => expect(admission.usedBytes()).toBeGreaterThan(0))
  // The server ends the connection; what it had sent until then is read now, so that the end is seen.
  await vi.waitFor(() => expect(admission.usedBytes()).toBe(0), { timeout: 20_000 })
  socket.resume()
  await closed
})
