import { expect, onTestFinished, test } from 'vitest'
import { TENANT } from '#gateway/live/testing.ts'
import type { LedgerQuery } from '#schema/olap.ts'
import { fakeServices, serveSchema } from './testing.ts'

const BOOKS = {
  accepted: 10,
  counted: 6,
  late: 1,
  duplicate: 2,
  invalid: 1,
  shed: 3,
  rejected: 4,
  stored: 6,
  archived: 5,
}

const setUp = async () => {
  const asked: LedgerQuery[] = []
  const { services, close } = await fakeServices()
  onTestFinished(() => close())
  const ledger = async (query: LedgerQuery) => {
    asked.push(query)
    return { ...BOOKS, balanced: true, settledUntil: Date.UTC(2026, 0, 1, 12) }
  }
  return { asked, ...serveSchema({ ...services, olap: { ...services.olap, ledger } }) }
}

const at = (time: string): number => Date.parse(`2026-01-01T${time}Z`)
const query = (from: string, to: string, fields = 'accepted'): string =>
  `{ ledger(from: "2026-01-01T${from}Z", to: "2026-01-01T${to}Z") { ${fields} } }`

test('the books are told as the contract has it', async () => {
  const { ask } = await setUp()
  const { data } = await ask(
    'READ',
    query('12:00:00', '13:00:00', `${Object.keys(BOOKS).join(' ')} balanced settledUntil`),
  )
  expect(data.ledger).toEqual({
    ...Object.fromEntries(Object.entries(BOOKS).map(([name, count]) => [name, String(count)])),
    balanced: true,
    settledUntil: '2026-01-01T12:00:00.000Z',
  })
})

test.each([
  ['12:00:00', '12:02:00', '12:00:00', '12:02:00'],
  ['12:00:59.999', '12:01:00.001', '12:00:00', '12:02:00'],
  ['12:00:30', '12:00:30', '12:00:00', '12:00:00'],
  ['12:00:00', '11:00:00', '12:00:00', '12:00:00'],
])('a range of %s to %s is of whole minutes: %s to %s', async (from, to, first, last) => {
  const { ask, asked } = await setUp()
  await ask('READ', query(from, to))
  expect(asked).toEqual([{ tenant: TENANT, from: at(first), to: at(last), settledUntil: null }])
})

test('who may only write sees no books', async () => {
  const { ask, asked } = await setUp()
  const { errors } = await ask('WRITE', query('12:00:00', '13:00:00'))
  expect(errors[0].extensions.code).toBe('FORBIDDEN')
  expect(asked).toEqual([])
})
