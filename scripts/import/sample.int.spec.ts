import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { ClientEvent } from '#schema/event.ts'
import { openContent } from './content.ts'
import { FORMATS } from './formats.ts'
import { readLines } from './lines.ts'

const SAMPLE = new URL('../../samples/apache_logs.gz', import.meta.url).pathname

const readSample = async (): Promise<ClientEvent[]> => {
  await using content = await openContent(SAMPLE, Readable.from([]))
  const events: ClientEvent[] = []
  for await (const { bytes, number } of readLines(content.chunks())) {
    const parsed = FORMATS['apache-combined'](bytes!, number)
    if ('problem' in parsed) throw new Error(`line ${number}: ${parsed.problem}`)
    events.push(JSON.parse(parsed.json))
  }
  return events
}

const countBy = (events: ClientEvent[], property: string) =>
  events.reduce<Record<string, number>>((counts, { properties }) => {
    const value = String(properties?.[property])
    counts[value] = (counts[value] ?? 0) + 1
    return counts
  }, {})

test('the whole sample log is read: every line, byte, method, status and address', async () => {
  const events = await readSample()
  expect(events).toHaveLength(10_000)
  expect(events.reduce((sum, { properties }) => sum + Number(properties?.bytes ?? 0), 0)).toBe(2_747_282_740)
  expect(countBy(events, 'method')).toEqual({ GET: 9_952, HEAD: 42, POST: 5, OPTIONS: 1 })
  expect(countBy(events, 'status')).toEqual({
    200: 9_126,
    304: 445,
    404: 213,
    301: 164,
    206: 45,
    500: 3,
    403: 2,
    416: 2,
  })
  expect(new Set(events.map(({ anonymousId }) => anonymousId)).size).toBe(1_753)
  expect(new Set(events.map(({ id }) => id)).size).toBe(10_000)
})
