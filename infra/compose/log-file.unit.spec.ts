import { expect, test } from 'vitest'
import { createRepetitionFilter, problemIn } from './log-file.ts'

test.each([
  ['{"level":40,"msg":"a frame was not confirmed","reason":"no ack"}', 'a frame was not confirmed: no ack'],
  ['{"level":50,"err":{"message":"boom\\nat x"},"msg":"a request failed"}', 'a request failed: boom'],
  ['{"level":50,"err":{"message":"boom"},"msg":"boom"}', 'boom'],
  ['{"level":60,"msg":"the end"}', 'the end'],
  ['[17] 2026/11/23 22:40:01.5 [ERR] no space', 'no space'],
])('%s is shown in one line', (line, problem) => {
  expect(problemIn(line)).toBe(problem)
})

test.each([
  '{"level":30,"msg":"gateway started"}',
  '[17] 2026/11/23 22:40:01.5 [INF] Server is ready',
  '[17] 2026/11/23 22:40:01.5 [WRN] TTL state is outdated',
  '    at Object.<anonymous> (x.ts:1:1)',
  '{"level":50,"msg":"cut off',
  '',
])('%s is for the file alone', (line) => {
  expect(problemIn(line)).toBeNull()
})

test('what was shown a moment ago is not shown again', () => {
  let now = 0
  const isNews = createRepetitionFilter(1_000, () => now)
  expect([isNews('a'), isNews('b'), isNews('a')]).toEqual([true, true, false])
  now = 999
  expect(isNews('a')).toBe(false)
  now = 1_000
  expect([isNews('a'), isNews('a')]).toEqual([true, false])
})
