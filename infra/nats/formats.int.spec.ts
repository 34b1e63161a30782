import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NewerFormat } from '#processors/ports.ts'
import { type Head, type SegmentRow, STATE_FORMAT } from '#schema/checkpoint.ts'
import { HEAD_KEY, HEADERS, logSubject, stateKey } from '#schema/subjects.ts'
import { startTestNats, type TestNats } from '../testing/nats.ts'
import { ownPartition } from '../testing/pipeline.ts'
import { until } from '../testing/until.ts'
import { connectNats, type Nats } from './connect.ts'
import { createLogWriter, createPartitionLog } from './log.ts'
import { createCheckpointFeed } from './outputs.ts'
import { ensureDeployment } from './setup.ts'
import { createStateStore } from './state.ts'

/**
 * A head and its segments (chunks in base64) as the last version before format 3 had written them: four metrics and 120
 * events e0 to e119, one a second from here on, of seven users in turns, with `bytes` of i + 0.25 and `ms` of i.
 */
const FORMER = JSON.parse(await readFile(new URL('fixtures/state-format-2.json', import.meta.url), 'utf8')) as {
  head: Head
  chunks: Record<string, string>
}
const BEGIN = Date.UTC(2026, 0, 1, 10)
const HOUR = 3_600_000

let server: TestNats
let nats: Nats

beforeEach(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  await ensureDeployment(nats, { partitions: 1 })
})
afterEach(async () => {
  await nats.nc.close()
  await server[Symbol.asyncDispose]()
})

const put = (key: string, data: Uint8Array) => nats.broker.publish(stateKey(0, key), data, {}, 5_000)
const encoder = new TextEncoder()

const send = (from: number, to: number): Promise<number> => {
  const lines = Array.from({ length: to - from }, (_, k) => {
    const i = from + k
    const time = BEGIN + i * 1_000
    const server = { tenant: 'main', source: 'live', receivedAt: time, time, key: `s${i % 7}`, weight: 1, schema: 0 }
    const properties = { bytes: i + 0.25, ms: i }
    return JSON.stringify({
      ...server,
      country: i % 2 ? 'NL' : 'DE',
      e: { id: `e${i}`, name: 'page_view', userId: `u${i % 7}`, properties },
    })
  })
  const data = encoder.encode(lines.join('\n'))
  const counts = new Map([['main', lines.length]])
  return createLogWriter(nats.broker).append({ partition: 0, messageId: `f${from}`, data, counts }, 10_000)
}

test('state of the format before is read: its identities, windows and definitions go on', async () => {
  expect(FORMER.head.format).toBe(STATE_FORMAT - 1)
  for (const [key, chunk] of Object.entries(FORMER.chunks)) await put(key, Buffer.from(chunk, 'base64'))
  await put(HEAD_KEY, encoder.encode(JSON.stringify(FORMER.head)))
  const owner = ownPartition(nats)
  // 119 that it has counted already, 81 that are new.
  const last = await send(1, 201)
  await until('they are settled', () => (owner.committed()?.sequence ?? 0) >= last)
  await owner.stop()

  expect(owner.committed()).toMatchObject({ format: STATE_FORMAT, epoch: 2 })
  const loaded = await createCheckpointFeed(nats.broker).load(0)
  const ofHour = (metric: string): SegmentRow[] =>
    (loaded?.rows ?? []).filter((row) => row.metric === metric && row.size === HOUR)
  const views = Object.fromEntries(ofHour('views').map(({ dims, events }) => [dims[0], events]))
  expect(views).toEqual({ DE: 101, NL: 100 })
  expect(ofHour('bytes')).toEqual([expect.objectContaining({ events: 201, sum: 20_100 + 201 / 4 })])
  expect(ofHour('people')[0].members).toHaveLength(7)
  expect(ofHour('slowest').map(({ max }) => max)).toEqual(expect.arrayContaining([200, 199]))
})

test('state and log of a newer format are refused in words, and nothing of them is changed', async () => {
  const newer = { ...FORMER.head, format: STATE_FORMAT + 1 }
  await put(HEAD_KEY, encoder.encode(JSON.stringify(newer)))
  const reason = `state of partition 0 has format ${STATE_FORMAT + 1}; this version reads up to ${STATE_FORMAT}: start the newer version`
  const refused = createStateStore(nats.broker, 0).head()
  await expect(refused).rejects.toThrow(NewerFormat)
  await expect(refused).rejects.toThrow(reason)
  let failure: unknown
  await ownPartition(nats, {
    onFailure(error) {
      failure = error
    },
  }).stop()
  expect(failure).toBeInstanceOf(NewerFormat)

  await nats.broker.publish(logSubject(0), encoder.encode('{}'), { [HEADERS.format]: '9' }, 5_000)
  const log = createPartitionLog(nats.broker, 0).read(1, new AbortController().signal)
  await expect(log[Symbol.asyncIterator]().next()).rejects.toThrow(
    /^message 1 of the log has format 9; this version reads up to 1/,
  )
})

test('an owner whose head a newer version has taken over stops', async () => {
  let failure: unknown
  const owner = ownPartition(nats, {
    onFailure(error) {
      failure = error
    },
  })
  const last = await send(0, 10)
  await until('it is at work', () => (owner.committed()?.sequence ?? 0) >= last)
  await put(HEAD_KEY, encoder.encode(JSON.stringify({ ...owner.committed(), epoch: 9, format: STATE_FORMAT + 1 })))
  await send(10, 20)
  await until('it has stopped', () => failure)
  expect(failure).toBeInstanceOf(NewerFormat)
  await owner.stop()
})
