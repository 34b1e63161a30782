import { expect, test } from 'vitest'
import { optionsHelp, readArgs, UsageError } from './args.ts'
import { createProgress, formatProgress } from './progress.ts'
import { renderMarkdown, renderTable } from './table.ts'

const SPECS = { rate: { value: 'N', help: 'how many' }, json: { help: 'only JSON' } }

test('options and what stands beside them are told apart', () => {
  const args = readArgs(['--rate', '7', 'file', '--json'], SPECS)
  expect([args.text('rate'), args.whole('rate', 1, 0, 10), args.has('json'), args.rest]).toEqual([
    '7',
    7,
    true,
    ['file'],
  ])
  expect(readArgs([], SPECS).whole('rate', 1, 0, 10)).toBe(1)
})

test.each([
  [['--what'], "Unknown option '--what'"],
  [['--rate'], "Option '--rate <value>' argument missing"],
  [['--rate=x'], '--rate: expected a whole number from 0 to 10, got "x"'],
  [['--rate=11'], '--rate: expected a whole number from 0 to 10, got "11"'],
])('%j is refused in words', (argv, message) => {
  const read = () => readArgs(argv, SPECS).whole('rate', 1, 0, 10)
  expect(read).toThrow(UsageError)
  expect(read).toThrow(message)
})

test('the help text has every option on a line of its own', () => {
  expect(optionsHelp(SPECS)).toBe('  --rate N  how many\n  --json    only JSON\n  --help    show this')
})

test('a table has its numbers to the right', () => {
  expect(
    renderTable([
      ['lines', 10_000],
      ['retries', 3],
    ]),
  ).toBe('lines    10,000\nretries       3')
})

test('progress shows share, rate, what is left, and retries', () => {
  const progress = { done: 50, total: 200, events: 1_500, retries: 1 }
  expect(formatProgress(progress, 10_000)).toBe(
    `[${'#'.repeat(7)}${'.'.repeat(23)}]  25%  1,500 events  150/s  30 s left  1 retry`,
  )
  expect(formatProgress({ done: 0, total: 0, events: 0, retries: 0 }, 0)).toContain('100%')
})

test('a terminal gets a bar that redraws, anything else a line every ten seconds', () => {
  const run = (isTTY: boolean) => {
    let time = 0
    let written = ''
    const progress = createProgress({ output: { isTTY, write: (text) => (written += text) }, now: () => time })
    for (time = 0; time <= 12_000; time += 50) progress.update({ done: time, total: 12_000, events: 1, retries: 0 })
    progress.end()
    return written
  }
  expect(run(false).trimEnd().split('\n')).toHaveLength(2)
  expect(run(true).split('\r')).toHaveLength(122)
  expect(run(true).endsWith('\n')).toBe(true)
})

test('a table of Markdown has a head, and numbers to the right', () => {
  expect(
    renderMarkdown([
      ['name', 'n'],
      ['a', 1_200],
    ]),
  ).toBe('| name | n |\n| --- | ---: |\n| a | 1,200 |')
})
