import { expect, test } from 'vitest'
import { type CollectorClientOptions, createCollectorClient, DeliveryError } from './collector.ts'
import type { Receipt } from './collector-answer.ts'

const receipt = (more: Partial<Receipt> = {}): Receipt => ({ accepted: 2, shed: 0, rejected: 0, verdicts: [], ...more })
const verdict = (code: string, retryAfterMs: number | null = null) => ({
  index: 0,
  status: 'REJECTED',
  code,
  message: 'why',
  retryable: retryAfterMs !== null,
  retryAfterMs,
})

/** A collector that gives these answers, one after the other, and a clock that only sleeping moves. */
const scripted = (answers: (Response | Error)[], options: Partial<CollectorClientOptions> = {}) => {
  const requests: { url: string; body: string; key: string | null }[] = []
  const slept: number[] = []
  let time = 0
  const client = createCollectorClient({
    url: 'http://collector.test/v1/events',
    key: 'secret',
    patienceMs: 120_000,
    random: () => 0,
    now: () => time,
    sleep: async (ms, signal) => {
      slept.push(ms)
      time += ms
      signal?.throwIfAborted()
    },
    fetch: async (url, init) => {
      const key = new Headers(init?.headers).get('authorization')
      requests.push({ url: String(url), body: String(init?.body), key })
      const answer = answers.length > 1 ? answers.shift()! : answers[0]
      if (answer instanceof Error) throw answer
      return answer.clone()
    },
    ...options,
  })
  return { client, requests, slept }
}
const down = () => new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') })
const error = (status: number, code: string, headers?: Record<string, string>) =>
  Response.json({ error: { code, message: 'why' } }, { status, headers })

test('events go to the collector under the key and the name of the import', async () => {
  const { client, requests } = scripted([Response.json(receipt())], { source: 'import-1' })
  expect(await client.send('{"a":1}\n{"a":2}')).toEqual(receipt())
  expect(requests).toEqual([
    { url: 'http://collector.test/v1/events?source=import-1', body: '{"a":1}\n{"a":2}', key: 'Bearer secret' },
  ])
  expect(client.retries()).toBe(0)
})

test('the same batch is sent again while the collector is away, with waits that double', async () => {
  const { client, requests, slept } = scripted([down(), down(), error(503, 'UNAVAILABLE'), Response.json(receipt())])
  expect(await client.send('{}')).toEqual(receipt())
  expect(requests.map(({ body }) => body)).toEqual(['{}', '{}', '{}', '{}'])
  expect(slept).toEqual([100, 200, 400])
  expect(client.retries()).toBe(3)
})

test('waits have a share of chance and an upper end', async () => {
  const { client, slept } = scripted([...Array.from({ length: 9 }, down), Response.json(receipt())], {
    random: () => 0.5,
  })
  await client.send('{}')
  expect(slept).toEqual([75, 150, 300, 600, 1_200, 2_400, 3_750, 3_750, 3_750])
})

test('the collector says when to come back', async () => {
  const busy = error(429, 'OVERLOADED', { 'retry-after': '7' })
  const partly = Response.json(receipt({ accepted: 1, rejected: 1, verdicts: [verdict('OVERLOADED', 9_000)] }))
  const { client, slept } = scripted([busy, partly, Response.json(receipt())])
  expect(await client.send('{}')).toEqual(receipt())
  expect(slept).toEqual([7_000, 9_000])
})

test('verdicts that are final are part of the receipt, whatever the status', async () => {
  const refused = receipt({ accepted: 0, rejected: 1, verdicts: [verdict('SCHEMA_VIOLATION')] })
  const { client } = scripted([Response.json(refused, { status: 422 })])
  expect(await client.send('{}')).toEqual(refused)
})

test('a request that can never succeed is not sent twice', async () => {
  const { client, requests } = scripted([error(401, 'UNAUTHENTICATED')])
  await expect(client.send('{}')).rejects.toThrow('401 UNAUTHENTICATED why')
  expect(requests).toHaveLength(1)
})

test('when the patience ends the error says why and what was taken', async () => {
  const partly = receipt({ accepted: 1, rejected: 1, verdicts: [verdict('OVERLOADED', 1_000)] })
  const { client, slept } = scripted([Response.json(partly)], { patienceMs: 5_000 })
  const failure = await client.send('{}').catch((reason: unknown) => reason)
  expect(failure).toBeInstanceOf(DeliveryError)
  expect(failure).toMatchObject({ message: expect.stringContaining('gave up'), receipt: partly })
  expect(slept.reduce((sum, ms) => sum + ms)).toBeLessThanOrEqual(5_000)
})

test('an aborted signal ends sending between two tries', async () => {
  const stop = new AbortController()
  const { client, requests } = scripted([down()], { signal: stop.signal, onRetry: () => stop.abort() })
  await expect(client.send('{}')).rejects.toHaveProperty('name', 'AbortError')
  expect(requests).toHaveLength(1)
})
