import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Head } from '#schema/checkpoint.ts'
import { RETENTION } from '#schema/limits.ts'
import { HEAD_KEY, logStream, settledSubject, stateKey, stateStream } from '#schema/subjects.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { until } from '../testing/until.ts'
import { connectNats, type Nats } from './connect.ts'
import { createLogWriter } from './log.ts'
import { ensureDeployment } from './setup.ts'
import { createStateStore } from './state.ts'

const NANOS = 1_000_000
const DAY = 86_400_000

let server: TestNats
let nats: Nats
beforeEach(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
})
afterEach(async () => {
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})

const ages = async (): Promise<number[]> => {
  const infos = await Promise.all([logStream(0), stateStream(0)].map((name) => nats.jsm.streams.info(name)))
  return infos.map(({ config }) => config.max_age / NANOS / DAY)
}

test('streams are kept for a week and for two, and for as long as they are told, also those that are there', async () => {
  await ensureDeployment(nats, { partitions: 1 })
  expect(await ages()).toEqual([7, 14])
  await createLogWriter(nats.broker).appendControl(0, { kind: 'marker', gateway: 'g', number: 1, sentAt: 1 }, 'first')

  await ensureDeployment(nats, { partitions: 1, kept: { ...RETENTION, log: 3 * DAY, lateEvents: 5 * DAY } })
  // The settlements, which are kept for 7 days here, stand in the same stream as the late events.
  expect(await ages()).toEqual([3, 7])
  expect((await nats.broker.range(logStream(0))).last).toBe(1)
})

test('outputs of a checkpoint go one by one after their own time; what they are made of stays', async () => {
  const kept = { ...RETENTION, aggregates: 1_000, lateEvents: 2_000, settlements: 3_000 }
  await ensureDeployment(nats, { partitions: 1 })
  const state = createStateStore(nats.broker, 0, kept)
  const first: Head = {
    format: 3,
    partition: 0,
    epoch: 1,
    owner: 'o',
    nonce: 'n',
    checkpoint: 0,
    sequence: 0,
    manifest: [],
    marks: [],
  }
  const revision = await state.claim(first, 0)
  const ref = { id: '1-1', level: 0, chunks: 1, bytes: 5 }
  const data = new TextEncoder().encode('bytes')
  await state.commit(
    {
      head: { ...first, nonce: 'm', checkpoint: 1, manifest: [ref] },
      segment: { ref, chunks: [data] },
      aggregates: [{ tenant: 'main', metric: 'views', data }],
      late: [{ tenant: 'main', data }],
      settlement: {
        ...{ format: 3, partition: 0, checkpoint: 1, epoch: 1, from: 1, to: 0, aggregates: 1, late: 1, totals: {} },
        ...{ outcomes: {}, clocks: [], definitions: [], at: 0 },
      },
    },
    revision,
  )
  const subjects = async () => [...(await nats.broker.subjects(stateStream(0), '>'))].sort()
  const segment = stateKey(0, 'segment.0.1-1.0')
  const state1 = [stateKey(0, HEAD_KEY), segment]
  expect(await subjects()).toEqual(
    [...state1, 'aggregates.main.views.0', 'late_events.main.0', settledSubject(0)].sort(),
  )
  const left = (what: string, ...expected: string[]) =>
    until(what, async () => (await subjects()).join() === [...state1, ...expected].sort().join())
  await left('the changes of windows are gone', 'late_events.main.0', settledSubject(0))
  await left('late events are gone', settledSubject(0))
  await left('settlements are gone')
})
