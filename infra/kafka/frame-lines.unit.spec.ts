import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StoredMessage } from '#infra/nats/broker.ts'
import { encodeOutcomes, type Outcome, type Settlement } from '#schema/checkpoint.ts'
import { linesOfFrame } from '#schema/frame-lines.ts'
import { HEADERS } from '#schema/subjects.ts'
import { linesOf, linesOfTenant, renderFrame } from './frame-lines.ts'

const message = (data: Uint8Array, headers: Record<string, string> = {}): StoredMessage => ({
  subject: 'user_events.0',
  seq: 7,
  storedAt: 0,
  data,
  header: (name) => headers[name] ?? '',
})
const settlement = (outcomes: Record<string, string> = {}): Settlement => ({
  format: 3,
  partition: 0,
  checkpoint: 1,
  epoch: 1,
  from: 1,
  to: 9,
  aggregates: 0,
  late: 0,
  totals: {},
  outcomes,
  clocks: [],
  definitions: [],
  at: 0,
})
const render = (text: string, outcomes?: Record<string, string>, headers?: Record<string, string>) => {
  const rendered = renderFrame(message(Buffer.from(text), headers), settlement(outcomes))
  return rendered && Buffer.from(rendered).toString()
}

test('lines are those that the fold reads, also of what is no text', () => {
  const bytes = fc.array(fc.constantFrom(0x0a, 0x41, 0xc3, 0xa4, 0xf0, 0xff, 0x0d), { maxLength: 30 })
  fc.assert(
    fc.property(bytes, (list) => {
      const data = Uint8Array.from(list)
      const texts = linesOf(data).map((line) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(line))
      expect(texts).toEqual(linesOfFrame(data).filter((line) => line !== ''))
    }),
  )
})

test('of a frame the lines that counted are left, byte by byte, and none is no record', () => {
  const line = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .filter((text) => !text.includes('\n') && !text.startsWith('\ufeff'))
  const judged = fc.array(fc.tuple(line, fc.constantFrom<Outcome>('C', 'D', 'L', 'I')), { minLength: 1 })
  fc.assert(
    fc.property(judged, fc.boolean(), (lines, hasMark) => {
      const text = lines.map(([one]) => one).join('\n')
      const counted = lines.filter(([, outcome]) => outcome === 'C').map(([one]) => Buffer.from(one).toString())
      const outcomes = { 7: encodeOutcomes(lines.map(([, outcome]) => outcome)) }
      expect(render(`${hasMark ? '\ufeff' : ''}${text}`, outcomes)).toBe(
        counted.length === 0 ? null : counted.join('\n'),
      )
      expect(render(`${hasMark ? '\ufeff' : ''}${text}`)).toBe(Buffer.from(text).toString())
    }),
  )
})

test('what holds no event is no record', () => {
  expect(render('{"kind":"tick","clocks":[]}', {}, { [HEADERS.kind]: 'control' })).toBeNull()
  expect(render('')).toBeNull()
  expect(render('\n\n')).toBeNull()
})

test('a frame and a settlement that do not fit, and a newer format, are refused', () => {
  expect(() => render('a\nb', { 7: '3C' })).toThrow('frame 7 has 2 events, its settlement speaks of 3')
  expect(() => render('a', {}, { [HEADERS.format]: '2' })).toThrow('format 2')
})

test('of a value the lines of one tenant are left', () => {
  const own = [
    '{"tenant":"shop","a":1}',
    '{"a":{"tenant":"other"},"tenant":"shop"}',
    '{"tenant":"other","tenant":"shop"}',
  ]
  const others = [
    '{"tenant":"other"}',
    '{"a":"\\"tenant\\":\\"shop\\""}',
    'no JSON',
    '{"tenant":"shop","tenant":"other"}',
    'null',
  ]
  const pick = (lines: string[]) => {
    const found = linesOfTenant(Buffer.from(lines.join('\n')), 'shop')
    return found && Buffer.from(found).toString()
  }
  expect(pick([...others, ...own, ...others])).toBe(own.join('\n'))
  expect(pick(own)).toBe(own.join('\n'))
  expect(pick(others)).toBeNull()
})
