import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { putKey } from '#infra/nats/keys.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { HEADERS, logStream } from '#schema/subjects.ts'

const PARTITIONS = 2
const MAIN = fileURLToPath(new URL('gateway.main.ts', import.meta.url))
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

let server: TestNats
let nats: Nats
let gateway: ChildProcess
let base: string

const startGateway = async (): Promise<void> => {
  const flags = [
    '--nats-url',
    server.url,
    '--port',
    '0',
    '--grpc-port',
    '0',
    '--partitions',
    String(PARTITIONS),
    '--log-level',
    'error',
  ]
  gateway = fork(MAIN, flags)
  const [message] = (await once(gateway, 'message')) as [{ ready: boolean; ports: { http: number } }]
  base = `http://127.0.0.1:${message.ports.http}`
}

const post = (body: string) =>
  fetch(`${base}/v1/events?source=import-1`, {
    method: 'POST',
    body,
    headers: { authorization: 'Bearer secret', traceparent: TRACEPARENT },
  })

const storedIds = async (): Promise<string[]> => {
  const ids: string[] = []
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { state } = await nats.jsm.streams.info(logStream(partition))
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await nats.jsm.streams.getMessage(logStream(partition), { seq })
      // Definitions of the built-in metrics stand in the same log.
      if (message?.header.get(HEADERS.kind) === 'control') continue
      // Counts of refused events, to which no event came that they could ride with.
      if (message?.data.length === 0) continue
      expect(message?.header.get(HEADERS.traceparent)).toBe(TRACEPARENT)
      for (const line of message!.string().split('\n')) ids.push(JSON.parse(line).e.id)
    }
  }
  return ids.sort()
}

beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await startGateway()
  const hash = createHash('sha256').update('secret').digest('hex')
  await putKey(nats.broker, hash, { id: 'k', tenant: 'main', kind: 'WRITE', label: '', createdAt: 0 })
  // The gateway learns of a key by its watch.
  while ((await post('')).status === 401);
})
afterAll(async () => {
  gateway.kill('SIGKILL')
  await nats.close()
  await server[Symbol.asyncDispose]()
})

describe('a gateway on a real log', () => {
  it('writes what it acknowledges', async () => {
    const response = await post('{"id":"1","name":"page_view"}\n{"id":"2"}\n{"id":"3","name":"ping"}')
    expect(await response.json()).toMatchObject({
      accepted: 2,
      rejected: 1,
      verdicts: [{ index: 1, code: 'MALFORMED' }],
    })
    expect(await storedIds()).toEqual(['1', '3'])
    expect((await fetch(`${base}/readyz`)).status).toBe(200)
  })

  it('holds the answer while the log is away, and gives it when the log is back', async () => {
    await server.kill()
    const answer = post('{"id":"4","name":"page_view"}')
    await server.restart()
    expect((await answer).status).toBe(200)
    expect(await storedIds()).toEqual(['1', '3', '4'])
  })

  it('answers what it has taken before it stops, and ends with 0', async () => {
    const exited = once(gateway, 'exit')
    const answers = Array.from({ length: 20 }, (_, i) => post(`{"id":"last-${i}","name":"ping"}`))
    const first = await Promise.race(answers)
    gateway.kill('SIGTERM')
    const settled = await Promise.allSettled(answers)
    const accepted = settled.flatMap((one, i) =>
      one.status === 'fulfilled' && one.value.status === 200 ? [`last-${i}`] : [],
    )
    expect(first.status).toBe(200)
    expect(await exited).toEqual([0, null])
    expect(await storedIds()).toEqual(expect.arrayContaining(accepted))
  })
})
