import { expect, onTestFinished, test } from 'vitest'
import { TENANT } from '#gateway/live/testing.ts'
import type { EventStatus } from '#gateway/status/event-status.ts'
import { fakeServices, serveSchema } from './testing.ts'

const STATUS: EventStatus = {
  id: 'a',
  stage: 'STORED',
  partition: 3,
  sequence: 4_000_000_000,
  windows: ['page_views PT1M 2026-05-01T12:00:00.000Z'],
  reason: null,
  occurrences: 2,
  searchedFrom: Date.UTC(2026, 4, 1),
}

const setUp = async (answer: EventStatus | null) => {
  const asked: unknown[][] = []
  const { services, close } = await fakeServices()
  onTestFinished(() => close())
  const eventStatus = async (...args: unknown[]) => {
    asked.push(args)
    return answer
  }
  return { asked, ...serveSchema({ ...services, eventStatus }) }
}
const FIELDS = Object.keys(STATUS).join(' ')

test('an event’s status is told as the contract has it', async () => {
  const { ask, asked } = await setUp(STATUS)
  const { data } = await ask('READ', `{ eventStatus(id: "a", around: "2026-05-01T12:00:00Z") { ${FIELDS} } }`)
  expect(data.eventStatus).toEqual({ ...STATUS, sequence: '4000000000', searchedFrom: '2026-05-01T00:00:00.000Z' })
  expect(asked).toEqual([[TENANT, 'a', Date.UTC(2026, 4, 1, 12)]])
})

test('there is none of an id that nobody sent', async () => {
  const { ask, asked } = await setUp(null)
  expect(await ask('READ', `{ eventStatus(id: "b") { ${FIELDS} } }`)).toEqual({ data: { eventStatus: null } })
  expect(asked).toEqual([[TENANT, 'b', undefined]])
})

test('who may only write cannot ask, and a time that is none is refused', async () => {
  const { ask } = await setUp(null)
  const code = async (...args: Parameters<typeof ask>) => (await ask(...args)).errors[0].extensions.code
  expect(await code('WRITE', '{ eventStatus(id: "a") { id } }')).toBe('FORBIDDEN')
  expect(await code('READ', '{ eventStatus(id: "a", around: "yesterday") { id } }')).toBe('BAD_INPUT')
})
