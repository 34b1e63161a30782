import { expect, it } from 'vitest'
import { renderChart, roundTicks } from './chart.ts'
import { renderPage } from './page.ts'

const AXIS = { label: 's', format: String }

it('has round values on its axis, the highest beyond the data', () => {
  expect(roundTicks(430)).toEqual([0, 100, 200, 300, 400, 500])
  expect(roundTicks(0.9)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
  expect(roundTicks(0)).toEqual([0, 1])
})

it('draws lines where their values are, and stacked ones on each other', () => {
  const lines = [
    {
      name: 'a <b>',
      points: [
        [0, 1],
        [10, 3],
      ] as const,
    },
    {
      name: 'c',
      points: [
        [0, 1],
        [10, 1],
      ] as const,
    },
  ]
  const chart = { title: 't', lines, x: AXIS, y: AXIS }
  const plain = renderChart(chart)
  expect(plain).toContain('a &lt;b&gt;')
  expect([...plain.matchAll(/<path class="line/g)]).toHaveLength(2)
  // The highest value of 3 is at the top of an axis that ends there.
  expect(plain).toContain('L692 12"')
  const stacked = renderChart({ ...chart, stacked: true, goal: { value: 2, label: 'goal' } })
  expect([...stacked.matchAll(/<path class="area/g)]).toHaveLength(2)
  expect(stacked).toContain('goal')
})

it('draws nothing of no data, and does not fail', () => {
  expect(renderChart({ title: 'empty', lines: [{ name: 'a', points: [] }], x: AXIS, y: AXIS })).not.toContain('NaN')
})

it('is one page that loads nothing', () => {
  const page = renderPage({
    title: 'T & U',
    subtitle: 's',
    tiles: [{ value: '1', label: 'one' }],
    charts: ['<svg></svg>'],
    tables: [
      [
        ['', 'a'],
        ['µs', 1_000],
      ],
    ],
  })
  expect(page).toContain('T &amp; U')
  expect(page).toContain('<td>1,000</td>')
  expect(page).toContain('prefers-color-scheme: dark')
  expect(page).not.toMatch(/https?:|src=|@import/)
})
