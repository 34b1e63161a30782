import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createAgenda } from './agenda.ts'

test('entries come out by time, those of one time in the order they went in, and none before its time', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), fc.nat(20), (times, end) => {
      const agenda = createAgenda<number>()
      for (const [i, at] of times.entries()) agenda.add(at, i)
      const taken: [number, number][] = []
      for (let entry = agenda.takeBefore(end); entry; entry = agenda.takeBefore(end)) taken.push([entry.at, entry.what])
      const expected = times.map((at, i): [number, number] => [at, i]).filter(([at]) => at < end)
      expect(taken).toEqual(expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]))
    }),
  )
})
