import { expect, test } from 'vitest'
import { type GraphqlAnswer, postGraphql } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { trackFresh } from './lib/fresh.ts'
import { start } from './lib/start.ts'
import { pageViews, track } from './lib/track.ts'

const LIMIT = 200
const BATCH = 50
const SECONDS = 8

const createKey = async ({ endpoints, keys }: TestProduct, limits: object) => {
  const query = 'mutation ($input: CreateKeyInput!) { createKey(input: $input) { id secret } }'
  const body = JSON.stringify({ query, variables: { input: { kind: 'WRITE', ...limits } } })
  const { data } = await postGraphql<{ createKey: { id: string; secret: string } }>(
    endpoints.graphql,
    keys.adminToken,
    body,
  )
  return data!.createKey
}

const post = (address: string, secret: string, prefix: string, count: number) =>
  fetch(new URL('/v1/events', address), {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}` },
    body: JSON.stringify(pageViews(prefix, count)),
  })

interface Answer {
  accepted?: number
  verdicts?: { code: string; retryable: boolean; retryAfterMs: number }[]
  error?: { code: string; retryable: boolean; retryAfterMs: number }
}

/** Sends without a pause for some seconds; answers how many events were accepted, and of which code the others were. */
const flood = async (address: string, secret: string, name: string) => {
  const codes = new Set<string>()
  let accepted = 0
  for (let n = 0, end = performance.now() + SECONDS * 1_000; performance.now() < end; n++) {
    const answer = (await (await post(address, secret, `${name}-${n}`, BATCH)).json()) as Answer
    accepted += answer.accepted ?? 0
    for (const code of [answer.error?.code, ...(answer.verdicts ?? []).map((one) => one.code)])
      if (code) codes.add(code)
  }
  return { accepted, codes: [...codes] }
}

test('a limit of a key holds over all gateways and all ways in, is told in the terms of each, and touches no other key', async () => {
  const product = await start({ flags: ['--gateways=2', '--partitions=2'] })
  const { admin, collector, graphql } = product.endpoints
  const { id, secret } = await createKey(product, { eventsPerSecond: LIMIT })
  const both = ['gateway', 'gateway-2'].map((name) => admin[name])
  for (const address of both) {
    await until('the key is known', async () => (await post(address, secret, 'first', 1)).status === 200)
  }

  let done = false
  const others = (async () => {
    for (let n = 0; !done; n++) await track(product, pageViews(`other-${n}`, BATCH))
  })()
  const since = performance.now()
  const floods = await Promise.all(both.map((address, i) => flood(address, secret, `flood-${i}`)))
  const seconds = (performance.now() - since) / 1_000
  done = true
  // `track` throws on a refusal, and had there been one this would have taken a minute.
  await others
  const accepted = floods.reduce((sum, one) => sum + one.accepted, 0)
  // The buckets are a second's worth, and shares are known half a second later.
  expect(accepted).toBeLessThanOrEqual(LIMIT * (seconds + 2))
  expect(accepted).toBeGreaterThanOrEqual(LIMIT * seconds * 0.7)
  expect(floods.map(({ codes }) => codes)).toEqual([['RATE_LIMITED'], ['RATE_LIMITED']])

  // More than ever passes at once: in part, or not at all.
  const partly = await until('a part of a request is taken', async () => {
    const response = await post(both[0], secret, `part-${performance.now()}`, 3 * LIMIT)
    return response.status === 200 && { fields: response.headers, answer: (await response.json()) as Answer }
  })
  expect(partly.fields.get('ratelimit-policy')).toBe(`"events";q=${LIMIT};qu="events";w=1`)
  expect(partly.fields.get('ratelimit')).toMatch(/^"events";r=\d+;t=1$/)
  const { verdicts, accepted: part } = partly.answer
  expect(verdicts).toHaveLength(3 * LIMIT - part!)
  expect(verdicts![0]).toMatchObject({ code: 'RATE_LIMITED', retryable: true, retryAfterMs: expect.any(Number) })

  /** Asks many at once, faster than tokens come, until nothing at all is taken of one. */
  const refused = <T>(ask: (n: number) => Promise<T | undefined>) => {
    let n = 0
    return until('a request is refused', async () => {
      const answers = await Promise.all(Array.from({ length: 16 }, () => ask(n++)))
      return answers.find((answer) => answer !== undefined)
    })
  }
  const overHttp = await refused(async (n) => {
    const response = await post(collector, secret, `http-${n}`, LIMIT)
    return response.status === 429 ? response : undefined
  })
  expect(Number(overHttp.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(((await overHttp.json()) as Answer).error).toMatchObject({ code: 'RATE_LIMITED', retryable: true })

  const mutation = 'mutation ($events: JSON!) { trackBatch(events: $events) { accepted } }'
  const overGraphql = await refused(async (n) => {
    const body = JSON.stringify({ query: mutation, variables: { events: pageViews(`graphql-${n}`, LIMIT) } })
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
    const response = await fetch(graphql, { method: 'POST', headers, body })
    return response.status === 429 ? response : undefined
  })
  expect(Number(overGraphql.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
  expect(overGraphql.headers.get('ratelimit-policy')).toBe(`"events";q=${LIMIT};qu="events";w=1`)
  const { errors } = (await overGraphql.json()) as GraphqlAnswer
  expect(errors![0].extensions).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) })

  const limited = { ...product, keys: { ...product.keys, writeKey: secret } }
  const overGrpc = await refused((n) =>
    trackFresh(limited, pageViews(`grpc-${n}`, LIMIT)).then(
      () => undefined,
      (error) => error,
    ),
  )
  expect([overGrpc.code, overGrpc.metadata.get('millrace-code')]).toEqual([8, ['RATE_LIMITED']])
  expect(overGrpc.metadata.get('ratelimit-policy')).toEqual([`"events";q=${LIMIT};qu="events";w=1`])
  expect(Number(overGrpc.metadata.get('grpc-retry-pushback-ms')[0])).toBeGreaterThan(0)

  const query = 'mutation ($id: ID!) { limitKey(id: $id, eventsPerSecond: 0) }'
  await postGraphql(graphql, product.keys.adminToken, JSON.stringify({ query, variables: { id } }))
  await until('the limit is gone', async () => {
    const response = await post(collector, secret, `free-${performance.now()}`, 5 * LIMIT)
    return response.status === 200 && ((await response.json()) as Answer).accepted === 5 * LIMIT
  })
})
