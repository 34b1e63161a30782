import { expect, it } from 'vitest'
import { formatTable } from './table.ts'

it('puts rows under their columns, numbers to the right', () => {
  expect(
    formatTable(
      ['name', 'n'],
      [
        ['a', 1],
        ['long name', 1000],
        [null, null],
      ],
    ),
  ).toBe(['name          n', '─────────  ────', 'a             1', 'long name  1000', ''].join('\n'))
})

it('shows lists as JSON, control characters escaped, long text cut', () => {
  const lines = formatTable(['v'], [[['a', null]], ['x\ny\u001b[31m'], ['z'.repeat(100)]]).split('\n')
  expect(lines.slice(2)).toEqual(['["a",null]', 'x\\ny\\u001b[31m', `${'z'.repeat(59)}…`])
})

it('shows the columns of an answer without rows', () => {
  expect(formatTable(['a', 'b'], [])).toBe('a  b\n─  ─')
})
