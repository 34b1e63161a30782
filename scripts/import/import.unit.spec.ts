import { expect, test } from 'vitest'
import { type CollectorClient, DeliveryError } from '#scripts/lib/collector.ts'
import type { Receipt } from '#scripts/lib/collector-answer.ts'
import { FORMATS } from './formats.ts'
import { runImport } from './import.ts'

const content = (text: string) => ({
  sha256: '',
  bytes: Buffer.byteLength(text),
  chunks: async function* () {
    yield Buffer.from(text)
  },
  [Symbol.asyncDispose]: async () => {},
})
const accepted = (count: number): Receipt => ({ accepted: count, shed: 0, rejected: 0, verdicts: [] })
const refuse = (index: number, code: string) => ({
  index,
  status: 'REJECTED',
  code,
  message: 'why',
  retryable: false,
  retryAfterMs: null,
})

const run = async (text: string, send: (batch: string) => Promise<Receipt>, batchEvents = 2) => {
  const sent: string[][] = []
  let inFlight = 0
  const client: CollectorClient = {
    send: async (batch) => {
      expect(inFlight++).toBe(0)
      sent.push(batch.split('\n').map((line) => JSON.parse(line).id))
      const receipt = await send(batch)
      inFlight--
      return receipt
    },
    retries: () => 4,
  }
  const onProgress = () => {}
  const report = await runImport({ content: content(text), format: FORMATS.ndjson, client, batchEvents, onProgress })
  return { report, sent }
}

test('every line is sent once, in order, one request at a time', async () => {
  const { report, sent } = await run('{"id":"a"}\n\n{"id":"b"}\n{"id":"c"}\n', async (batch) =>
    accepted(batch.split('\n').length),
  )
  expect(sent).toEqual([['a', 'b'], ['c']])
  expect(report).toMatchObject({ lines: 3, sent: 3, accepted: 3, rejected: 0, shed: 0, unparsed: 0, retries: 4 })
  expect(report.failure).toBeUndefined()
})

test('lines that are no event are counted, named by their place, and not sent', async () => {
  const { report, sent } = await run('{"id":"a"}\nnonsense\n{"id":"b"}', async () => accepted(2))
  expect(sent).toEqual([['a', 'b']])
  expect(report).toMatchObject({ lines: 3, sent: 2, unparsed: 1, problems: [{ line: 2 }] })
})

test('verdicts are counted by code and named by the line in the file', async () => {
  const { report } = await run('\n{"id":"a"}\n{"id":"b"}', async () => ({
    accepted: 1,
    shed: 0,
    rejected: 1,
    verdicts: [refuse(1, 'SCHEMA_VIOLATION')],
  }))
  expect(report.verdicts).toEqual({ SCHEMA_VIOLATION: 1 })
  expect(report.problems).toEqual([{ line: 3, problem: 'SCHEMA_VIOLATION: why' }])
})

test('the import stops at a batch that cannot be delivered and says what came in', async () => {
  let calls = 0
  const { report, sent } = await run(
    '{"id":"a"}\n{"id":"b"}\n{"id":"c"}\n',
    async () => {
      if (calls++ === 0) return accepted(1)
      throw new DeliveryError('gave up')
    },
    1,
  )
  expect(sent).toEqual([['a'], ['b']])
  expect(report).toMatchObject({ sent: 1, accepted: 1, failure: 'gave up' })
})

test('an unexpected error is not hidden', async () => {
  await expect(run('{"id":"a"}', async () => Promise.reject(new TypeError('bug')))).rejects.toThrow('bug')
})
