import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { putKey } from '#infra/nats/keys.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { type OtlpReceiver, startOtlpReceiver } from '#infra/testing/otlp.ts'
import { startTracing } from './tracing.ts'

const MAIN = fileURLToPath(new URL('../compose/gateway.main.ts', import.meta.url))
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const REQUESTS = 200

let server: TestNats
let nats: Nats
let log: string

beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
})
beforeEach(() => {
  log = ''
})
afterAll(async () => {
  await nats.close()
  await server[Symbol.asyncDispose]()
})

/** A gateway whose every request begins a trace. */
const startGateway = async (endpoint: string) => {
  const flags = [
    '--nats-url',
    server.url,
    '--port',
    '0',
    '--grpc-port',
    '0',
    '--partitions',
    '1',
    '--otlp-endpoint',
    endpoint,
  ]
  const child: ChildProcess = fork(MAIN, [...flags, '--trace-ratio', '1'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk
  })
  const [message] = (await once(child, 'message')) as [{ ports: { http: number } }]
  const post = (id: string, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${message.ports.http}/v1/events`, {
      method: 'POST',
      body: JSON.stringify({ id, name: 'ping' }),
      headers: { authorization: 'Bearer secret', ...headers },
    })
  const hash = createHash('sha256').update('secret').digest('hex')
  await putKey(nats.broker, hash, { id: 'k', tenant: 'main', kind: 'WRITE', label: '', createdAt: 0 })
  // The gateway learns of a key by its watch.
  while ((await post('key')).status === 401);
  return {
    post,
    async stop(): Promise<unknown> {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      return (await exited)[0]
    },
  }
}

/** An address that nobody listens on any more. */
const deadEndpoint = async (): Promise<string> => {
  const receiver = await startOtlpReceiver()
  await receiver[Symbol.asyncDispose]()
  return receiver.endpoint
}

const receiverThat = async (answer: () => Promise<number>): Promise<OtlpReceiver> => {
  const receiver = await startOtlpReceiver(answer)
  onTestFinished(() => receiver[Symbol.asyncDispose]())
  return receiver
}

test.each([
  ['is away', deadEndpoint],
  ['never answers', async () => (await receiverThat(() => new Promise(() => {}))).endpoint],
  ['refuses', async () => (await receiverThat(async () => 400)).endpoint],
])('a collector that %s stops nothing: all requests are answered, and the gateway ends in order', async (_, open) => {
  const { post, stop } = await startGateway(await open())
  const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, i) => post(`${i}`)))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect(await stop()).toBe(0)
})

test('what a collector does not take waits up to a bound; beyond it spans are dropped, and the rest is sent', async () => {
  const answer = Promise.withResolvers<number>()
  const receiver = await receiverThat(() => answer.promise)
  const logger = { warn() {}, info() {} }
  const { endpoint } = receiver
  const { tracer, stop } = await startTracing({ endpoint, ratio: 1, service: 'test', instance: 'one', logger })
  const end = (count: number): void => {
    for (let i = 0; i < count; i++) tracer.startSpan('one').end()
  }
  end(512)
  // A full batch is on its way now.
  await vi.waitFor(() => expect(receiver.requests()).toBe(1))
  end(10_000)
  answer.resolve(200)
  await stop()
  await vi.waitFor(() => expect(receiver.spans()).toHaveLength(512 + 4_096), { timeout: 20_000 })
})

test('the operator is told once that a collector takes nothing, and once that it does again', async () => {
  let status = 400
  const receiver = await receiverThat(async () => status)
  const { post, stop } = await startGateway(receiver.endpoint)
  const told = (text: string): number => log.split(text).length - 1
  const posted = (condition: () => void) =>
    vi.waitFor(() => post('again').then(condition), { timeout: 30_000, interval: 100 })
  await posted(() => expect(receiver.requests()).toBeGreaterThan(2))
  status = 200
  await posted(() => expect(told('the collector takes traces again')).toBe(1))
  expect(await stop()).toBe(0)
  expect(told('the collector takes no traces')).toBe(1)
  expect(receiver.spans().length).toBeGreaterThan(0)
})

test('by ratio a request without a trace begins one; by parent it does as the client says', async () => {
  const receiver = await receiverThat(async () => 200)
  const { post, stop } = await startGateway(receiver.endpoint)
  await post('own')
  await post('sampled', { traceparent: `00-${TRACE}-b7ad6b7169203331-01` })
  await post('not-sampled', { traceparent: `00-${TRACE.replace('0a', '0b')}-b7ad6b7169203331-00` })
  expect(await stop()).toBe(0)
  const requests = receiver.spans().filter(({ name }) => name === 'POST /v1/events')
  const traces = new Set(requests.map(({ traceId }) => traceId))
  expect(traces).toContain(TRACE)
  expect(traces).not.toContain(TRACE.replace('0a', '0b'))
  expect(requests.filter(({ parentSpanId }) => parentSpanId === '').length).toBeGreaterThan(0)
})
