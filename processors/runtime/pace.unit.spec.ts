import { expect, test } from 'vitest'
import { checkpointInterval } from './pace.ts'

test.each([
  ['no sooner than is asked for', 0, 150],
  ['later when to make it takes long', 12, 180],
  ['never later than twice that', 100, 300],
])('a checkpoint comes %s', (_, builtMs, expected) => {
  expect(checkpointInterval(150, builtMs)).toBe(expected)
})
