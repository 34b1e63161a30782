import { describe, expect, it } from 'vitest'
import type { OlapPart, OlapWriter, ReceivedPart } from '#processors/ports.ts'
import type { EventLine } from '#schema/event.ts'
import { type Received, receivedMinute, type Settled } from '#schema/ledger.ts'
import { RETENTION } from '#schema/limits.ts'
import type { LedgerQuery } from '#schema/olap.ts'
import { eventLine, HOUR, lateEvent, MINUTE, olapPart, T0 } from './fixtures.ts'

const at = (fields: { tenant?: string; receivedAt?: number }) => ({
  tenant: fields.tenant ?? 'main',
  minute: receivedMinute(fields.receivedAt ?? T0),
})
const slot = (counts: Partial<Received>, when: { tenant?: string; receivedAt?: number } = {}): Received => ({
  ...at(when),
  accepted: 0,
  rejected: 0,
  shed: 0,
  ...counts,
})
const settled = (counts: Partial<Settled>, when: { tenant?: string; receivedAt?: number } = {}): Settled => ({
  ...at(when),
  C: 0,
  D: 0,
  L: 0,
  I: 0,
  ...counts,
})
const headers = (sequence: number, ...received: Received[]): ReceivedPart => ({
  partition: 0,
  after: sequence - 1,
  sequence,
  frames: [{ sequence, received }],
})
const repeated = (sequence: number, ...events: EventLine[]): OlapPart['repeated'] => [
  { sequence, lines: events.map((line) => JSON.stringify(line)), indexes: events.map((_, i) => i + 50) },
]

/** The books of an OLAP store. `store` answers the fresh one of the test under way. */
export const ledgerContract = (name: string, store: () => OlapWriter): void => {
  const read = (query: Partial<LedgerQuery> = {}) =>
    store().ledger({ tenant: 'main', from: T0, to: T0 + MINUTE, settledUntil: null, ...query })
  const write = (...parts: OlapPart[]) => store().write({ parts })
  const receive = (...parts: ReceivedPart[]) => store().writeReceived(parts)

  describe(`${name}: books`, () => {
    it('begin with nothing, and balance', async () => {
      expect(await read()).toEqual({
        accepted: 0,
        counted: 0,
        late: 0,
        duplicate: 0,
        invalid: 0,
        shed: 0,
        rejected: 0,
        stored: 0,
        archived: 0,
        balanced: true,
        settledUntil: null,
      })
    })

    it('show what each reader counted, and that they agree', async () => {
      const [a, b] = [eventLine('a'), eventLine('b')]
      await receive(headers(1, slot({ accepted: 6 }), slot({ rejected: 3, shed: 2 })))
      await write(
        olapPart(1, {
          events: [a, b],
          repeated: repeated(1, a, a),
          late: [lateEvent(eventLine('l')), lateEvent(eventLine('i'), { code: 'INVALID', index: 1 })],
          settled: [settled({ C: 2, D: 2, L: 1, I: 1 })],
        }),
      )
      expect(await read({ settledUntil: T0 })).toEqual({
        accepted: 6,
        counted: 2,
        late: 1,
        duplicate: 2,
        invalid: 1,
        shed: 2,
        rejected: 3,
        stored: 2,
        archived: 0,
        balanced: true,
        settledUntil: T0,
      })
    })

    it('move a late event that is stored from late to duplicate', async () => {
      const line = eventLine('a')
      await receive(headers(1, slot({ accepted: 2 })))
      await write(olapPart(1, { events: [line], late: [lateEvent(line)], settled: [settled({ C: 1, L: 1 })] }))
      expect(await read()).toMatchObject({ accepted: 2, counted: 1, duplicate: 1, late: 0, balanced: true })
    })

    it('move an event that the store cannot hold from counted to invalid', async () => {
      const bad = JSON.stringify({ ...eventLine('bad'), time: 'yesterday' })
      await receive(headers(1, slot({ accepted: 2 })))
      await write(olapPart(1, { events: [eventLine('a'), bad], settled: [settled({ C: 2 })] }))
      expect(await read()).toMatchObject({ accepted: 2, counted: 1, invalid: 1, stored: 1, balanced: true })
    })

    it('are of one tenant and of whole minutes of receipt', async () => {
      const next = { receivedAt: T0 + MINUTE }
      const theirs = { tenant: 'other' }
      await receive(headers(1, slot({ accepted: 1 }), slot({ accepted: 1 }, next), slot({ accepted: 1 }, theirs)))
      await write(
        olapPart(1, {
          // The time inside an event is not when it was received.
          events: [eventLine('a', { time: T0 - HOUR }), eventLine('b', next), eventLine('c', theirs)],
          settled: [settled({ C: 1 }), settled({ C: 1 }, next), settled({ C: 1 }, theirs)],
        }),
      )
      for (const query of [{}, { from: T0 + MINUTE, to: T0 + 2 * MINUTE }, theirs]) {
        expect(await read(query)).toMatchObject({ accepted: 1, counted: 1, stored: 1, balanced: true })
      }
      expect(await read({ to: T0 + 2 * MINUTE })).toMatchObject({ accepted: 2, stored: 2, balanced: true })
    })

    it('leave out what headers say of frames that are not settled', async () => {
      await receive(headers(1, slot({ accepted: 1 })), { ...headers(1), partition: 1 })
      await write(olapPart(1, { events: [eventLine('a')], settled: [settled({ C: 1 })] }))
      await receive(headers(2, slot({ accepted: 5, rejected: 1 })))
      expect(await read()).toMatchObject({ accepted: 1, rejected: 0, balanced: true })
      await store().maintain(T0)
      expect(await read()).toMatchObject({ accepted: 1, rejected: 0, balanced: true })
    })

    it('compare only minutes that are over while headers are not read as far as settlements', async () => {
      await write(olapPart(1, { events: [eventLine('a')], settled: [settled({ C: 1 })] }))
      expect(await read()).toMatchObject({ accepted: 0, counted: 1, balanced: true })
      expect(await read({ settledUntil: T0 + MINUTE - 1 })).toMatchObject({ balanced: true })
      expect(await read({ settledUntil: T0 + MINUTE })).toMatchObject({ balanced: false })
      await receive(headers(1, slot({ accepted: 1 })))
      expect(await read({ settledUntil: T0 + MINUTE })).toMatchObject({ accepted: 1, balanced: true })
    })

    it('leave out dead letters that were no events', async () => {
      const control = lateEvent(null, { code: 'CONTROL', raw: '{}', receivedAt: T0 })
      await receive(headers(1))
      await write(olapPart(1, { late: [control] }))
      expect(await read({ tenant: 'unknown' })).toMatchObject({ invalid: 0, balanced: true })
      await store().maintain(T0 + RETENTION.rawEvents + HOUR)
      expect(await read({ tenant: 'unknown' })).toMatchObject({ invalid: 0, balanced: true })
    })

    const part = () => olapPart(1, { events: [eventLine('a')], settled: [settled({ C: 1 })] })
    it.each<[string, OlapPart, Received]>([
      ['headers that count more', part(), slot({ accepted: 2 })],
      ['headers that count less', part(), slot({ accepted: 0 })],
      ['headers of another minute', part(), slot({ accepted: 1 }, { receivedAt: T0 + MINUTE })],
      ['a settlement that counts more', { ...part(), settled: [settled({ C: 2 })] }, slot({ accepted: 1 })],
      ['a settlement with another outcome', { ...part(), settled: [settled({ D: 1 })] }, slot({ accepted: 1 })],
      ['a raw event that nobody counted', olapPart(1, { events: [eventLine('a')] }), slot({})],
      ['a raw event that is missing', { ...part(), raw: [] }, slot({ accepted: 1 })],
      ['a late event that is missing', olapPart(1, { settled: [settled({ L: 1 })] }), slot({ accepted: 1 })],
      ['an invalid event that is missing', olapPart(1, { settled: [settled({ I: 1 })] }), slot({ accepted: 1 })],
      ['a duplicate that is missing', olapPart(1, { settled: [settled({ D: 1 })] }), slot({ accepted: 1 })],
    ])('do not balance with %s', async (_, one, received) => {
      await receive(headers(1, received))
      await write(one)
      expect((await read({ to: T0 + 2 * MINUTE })).balanced).toBe(false)
    })

    it('do not balance when two minutes are wrong by as much', async () => {
      const next = { receivedAt: T0 + MINUTE }
      await receive(headers(1, slot({ accepted: 2 })))
      await write(
        olapPart(1, {
          events: [eventLine('a'), eventLine('b')],
          settled: [settled({ C: 1 }), settled({ C: 1 }, next)],
        }),
      )
      expect(await read({ to: T0 + 2 * MINUTE })).toMatchObject({ accepted: 2, counted: 2, stored: 2, balanced: false })
    })

    it('stay what they are through upkeep, and when rows are past their time', async () => {
      const [a, b] = [eventLine('a'), eventLine('b')]
      const bad = JSON.stringify({ ...eventLine('bad'), time: 'yesterday' })
      const rows = (checkpoint: number, events: (EventLine | string)[]) =>
        olapPart(checkpoint, {
          events,
          repeated: repeated(checkpoint, a),
          late: [lateEvent(eventLine('l')), lateEvent(a, { index: 1 })],
          settled: [settled({ C: events.length, D: 1, L: 2 })],
        })
      await receive(headers(1, slot({ accepted: 5, shed: 1 })))
      await write(rows(1, [a, bad]))
      await receive(headers(2, slot({ accepted: 4, rejected: 2 })))
      await write(rows(2, [b]))
      const books = await read()
      expect(books).toMatchObject({ accepted: 9, counted: 2, duplicate: 5, late: 1, invalid: 1, balanced: true })
      for (const later of [0, 0, RETENTION.rawEvents + HOUR, RETENTION.rawEvents + HOUR]) {
        await store().maintain(T0 + later)
        expect(await read()).toEqual(books)
      }
      await store().maintain(T0 + RETENTION.ledger + HOUR)
      expect(await read()).toMatchObject({ accepted: 0, stored: 0, balanced: true })
    })
  })

  describe(`${name}: places of headers`, () => {
    it('move with their counts, and with frames that count nothing', async () => {
      expect(await store().logPositions()).toEqual({ settled: [0, 0], received: [0, 0] })
      await receive(headers(1, slot({ accepted: 1 })), { ...headers(1), partition: 1, sequence: 7 })
      expect(await store().logPositions()).toEqual({ settled: [0, 0], received: [1, 7] })
      await write(olapPart(1, { sequence: 9 }))
      expect((await store().logPositions()).settled).toEqual([9, 0])
    })

    it('keep out what is there already, and what does not follow', async () => {
      const first = headers(1, slot({ accepted: 1 }))
      await receive(first)
      await receive(first, { ...headers(1), partition: 1 })
      await expect(receive(headers(2, slot({ accepted: 1 })), { ...headers(3), partition: 1 })).rejects.toThrow(
        'partition 1',
      )
      await write(olapPart(1, { events: [eventLine('a')], settled: [settled({ C: 1 })] }))
      expect(await read()).toMatchObject({ accepted: 1, balanced: true })
      expect((await store().logPositions()).received).toEqual([1, 1])
    })
  })
}
