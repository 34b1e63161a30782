import { headers } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { packAggregates, packWindow } from '#infra/olap/packed.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { MillraceError } from '#schema/errors.ts'
import type { OlapReader, OlapService } from '#schema/olap.ts'
import { OLAP_SUBJECT } from '#schema/subjects.ts'
import { connectNats, type Nats } from './connect.ts'
import { createOlapClient } from './olap-client.ts'
import { serveOlap } from './olap-server.ts'
import { OLAP_HEADERS } from './olap-wire.ts'

let server: TestNats
let storage: Nats
let gateway: Nats
beforeAll(async () => {
  server = await startTestNats()
  storage = await connectNats(server.url, 'storage')
  gateway = await connectNats(server.url, 'gateway')
})
afterAll(async () => {
  await storage.close()
  await gateway.close()
  await server[Symbol.asyncDispose]()
})

let stops: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const stop of stops) await stop()
  stops = []
})

const silent = { warn() {} }
/** Resolves when the server knows of the subscription. */
const serve = async (olap: Partial<OlapReader>, maxRequests?: number) => {
  const serving = serveOlap(storage, { olap: olap as OlapService, logger: silent, maxRequests })
  stops.push(serving.stop)
  await storage.nc.flush()
  return serving
}

it('carries an answer of more than 5 MB whole, and small ones beside it', async () => {
  const rows = Array.from({ length: 60_000 }, (_, i) => [i, 'ÿ😀'.repeat(20)])
  await serve({ sql: async (statement) => ({ columns: [statement], rows }), positions: async () => [1, 2, 3] })
  const client = createOlapClient(gateway)
  const [large, small] = await Promise.all([client.sql('SELECT "é"'), client.positions()])
  expect(JSON.stringify(large).length).toBeGreaterThan(5_000_000 / 2)
  expect(Buffer.byteLength(JSON.stringify(large))).toBeGreaterThan(5_000_000)
  expect(large).toEqual({ columns: ['SELECT "é"'], rows })
  expect(small).toEqual([1, 2, 3])
})

it('passes questions on as they were asked', async () => {
  const asked: unknown[] = []
  const note = (answer: unknown) => async (question: unknown) => {
    asked.push(question)
    return answer as never
  }
  await serve({ aggregates: note({ rows: [], positions: [] }), events: note(1), deadLetters: note(2), totals: note(3) })
  const client = createOlapClient(gateway)
  const query = { tenant: 'main', metric: 'm', version: 1, size: 60_000, from: 0, to: 1 }
  expect(await client.aggregates(query)).toEqual({ rows: [], positions: [] })
  const events = { tenant: 'main', from: 0, to: 1, where: [], first: 1 }
  const letters = { tenant: 'main', filter: {}, first: 1 }
  expect([await client.events(events), await client.deadLetters(letters), await client.totals('main')]).toEqual([
    1, 2, 3,
  ])
  expect(asked).toEqual([query, events, letters, 'main'])
})

it('makes rows of a packed answer, and takes rows of a store that packs nothing', async () => {
  const row = {
    tenant: 'main',
    metric: 'm',
    version: 1,
    size: 1,
    start: 3,
    dims: ['é'],
    events: 2,
    corrections: 0,
    n: 2,
  }
  const answer = { rows: [{ ...row, revision: 1 }], positions: [4] }
  const query = { tenant: 'main', metric: 'm', version: 1, size: 1, from: 3, to: 4 }
  const client = createOlapClient(gateway)
  await serve({ aggregates: async () => answer })
  expect(await client.aggregates(query)).toEqual(answer)
  await stops.pop()!()
  const packed = { packedAggregates: async () => packAggregates([packWindow(3, answer.rows)], answer.positions) }
  const serving = serveOlap(storage, { olap: {} as OlapService, packed, logger: silent })
  stops.push(serving.stop)
  await storage.nc.flush()
  expect(await client.aggregates(query)).toEqual(answer)
})

it('gives the error of the store back with its code', async () => {
  const refuse = async () => {
    throw new MillraceError('CURSOR_INVALID', 'no such cursor')
  }
  await serve({ events: refuse, positions: () => Promise.reject(new Error('disk gone')) })
  const client = createOlapClient(gateway)
  const query = { tenant: 'main', from: 0, to: 1, where: [], first: 1 }
  await expect(client.events(query)).rejects.toMatchObject({ code: 'CURSOR_INVALID', message: 'no such cursor' })
  await expect(client.positions()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'disk gone' })
})

it('is unavailable at once when no store serves', async () => {
  const client = createOlapClient(gateway, { timeoutMs: 3_600_000 })
  await expect(client.positions()).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true })
})

it('is unavailable when the store stays silent for the time-out', async () => {
  const never = Promise.withResolvers<number[]>()
  await serve({ positions: () => never.promise })
  await expect(createOlapClient(gateway, { timeoutMs: 50 }).positions()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  never.resolve([])
})

it.each([
  ['first', [1], 2],
  ['middle', [0, 2], 3],
  ['last but one', [0, 1], 3],
  ['first but late', [1, 0], 2],
])('notices when a chunk is not where it should be: the %s', async (_, numbers, total) => {
  const subscription = storage.nc.subscribe(`${OLAP_SUBJECT}.broken`, {
    callback(_error, message) {
      for (const number of numbers) {
        const set = headers()
        set.set(OLAP_HEADERS.chunk, String(number))
        if (number === numbers.at(-1)) set.set(OLAP_HEADERS.end, String(total))
        message.respond('[]', { headers: set })
      }
    },
  })
  await storage.nc.flush()
  stops.push(() => subscription.unsubscribe())
  const redirected = {
    ...gateway,
    nc: Object.assign(Object.create(gateway.nc), {
      publish: (subject: string, data: string, options: object) =>
        gateway.nc.publish(`${subject}.broken`, data, options),
      subscribe: gateway.nc.subscribe.bind(gateway.nc),
      isClosed: () => false,
    }),
  }
  await expect(createOlapClient(redirected).positions()).rejects.toMatchObject({
    message: expect.stringContaining('lost'),
  })
})

it('turns requests away that are more than it can hold, and answers the others', async () => {
  const gate = Promise.withResolvers<number[]>()
  await serve({ positions: () => gate.promise }, 3)
  const client = createOlapClient(gateway)
  const asked = Array.from({ length: 5 }, () => client.positions().catch((error: MillraceError) => error.code))
  expect(await Promise.race(asked)).toBe('UNAVAILABLE')
  gate.resolve([7])
  expect((await Promise.all(asked)).filter((answer) => Array.isArray(answer))).toHaveLength(3)
})

it('answers what was asked before it stops', async () => {
  const gate = Promise.withResolvers<number[]>()
  const asked = Promise.withResolvers<void>()
  const serving = await serve({
    positions: () => {
      asked.resolve()
      return gate.promise
    },
  })
  const answer = createOlapClient(gateway).positions()
  await asked.promise
  const stopped = serving.stop()
  gate.resolve([1])
  expect(await answer).toEqual([1])
  await stopped
})
