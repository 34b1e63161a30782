import { expect, it } from 'vitest'
import { createGenerator } from './generator.ts'
import type { Link } from './link.ts'
import type { LoadReceipt } from './receipt.ts'

/** A link whose answers the test gives. */
const createTestLink = (onSend: (answered: (receipt: LoadReceipt | null) => void) => void): Link => ({
  buffer: Buffer.alloc(8),
  send: (_, __, answered) => onSend(answered),
  isOpen: () => true,
  close: () => {},
})

const times = (count: number) => {
  let at = 0
  return () => (at < count ? at++ : undefined)
}

const generatorOf = (requests: number) => {
  const rendered: [number, number][] = []
  const generator = createGenerator({
    batch: 10,
    renderer: { render: (number, timeMs) => rendered.push([number, timeMs]), longest: 8, bytesPerEvent: 290 },
    nextDue: times(requests),
    firstRequest: 0,
    graceMs: 50,
    measureFromMs: 0,
    onSecond: () => {},
  })
  return { generator, rendered }
}

it('counts what was accepted, refused and not answered, and knows which events are acknowledged', async () => {
  const answers: (LoadReceipt | null)[] = [
    { refused: [] },
    { refused: [3, 4], code: 'SHED' },
    { refused: 'all', code: 'OVERLOADED' },
    null,
  ]
  const { generator } = generatorOf(4)
  generator.free(createTestLink((answered) => answered(answers.shift()!)))
  const { acknowledged, ...figures } = await generator.run()
  expect(figures.accepted).toBe(acknowledged.count())
  expect(figures.accepted).toBe(18)
  expect(figures.refused).toEqual({ SHED: 2, OVERLOADED: 10 })
  expect(figures.unanswered).toBe(10)
  expect([0, 9, 12, 15, 20, 30].map((number) => acknowledged.has(number))).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ])
})

it('leaves requests unsent while the only connection waits, and does not wait for ever at the end', async () => {
  const { generator } = generatorOf(5)
  generator.free(createTestLink(() => {}))
  const figures = await generator.run()
  expect(figures).toMatchObject({ sent: 10, accepted: 0, unanswered: 10, unsent: 40 })
})

it('sends one of a hundred requests again under the ids and times of the first time', async () => {
  const { generator, rendered } = generatorOf(400)
  generator.free(createTestLink((answered) => answered({ refused: [] })))
  const { acknowledged, accepted, repeated, nextRequest } = await generator.run()
  expect({ accepted, repeated, nextRequest }).toEqual({ accepted: 4_000, repeated: 40, nextRequest: 400 })
  expect(acknowledged.count()).toBe(3_960)
  expect(rendered[99]).toEqual(rendered[39])
  expect(rendered[399]).toEqual(rendered[339])
})
