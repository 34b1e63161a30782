/** One line of a chart: its name and its points, in the units of the axes. */
export interface Line {
  name: string
  points: readonly (readonly [x: number, y: number])[]
}

export interface Axis {
  label: string
  /** Of a value on the axis. */
  format(value: number): string
  /** Values that have a mark, where they are not found by themselves. */
  ticks?: readonly number[]
}

export interface Chart {
  title: string
  lines: readonly Line[]
  x: Axis
  y: Axis
  /** Lines stand on each other, as areas. */
  stacked?: boolean
  /** A horizontal line, as of a promise. */
  goal?: { value: number; label: string }
}

const WIDTH = 720
const HEIGHT = 260
const LEFT = 64
const RIGHT = 28
const TOP = 12
const BOTTOM = 40
const TICKS = 5

export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** Round values from 0 to the highest. */
export const roundTicks = (highest: number): number[] => {
  if (!(highest > 0)) return [0, 1]
  const rough = highest / TICKS
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
  return Array.from({ length: Math.ceil(highest / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)))
}

/** Each line on the sum of those before it; all have their points at the same places. */
const stack = (lines: readonly Line[]): Line[] => {
  const sums: number[] = []
  return lines.map(({ name, points }) => ({
    name,
    points: points.map(([x, y], i) => {
      sums[i] = (sums[i] ?? 0) + y
      return [x, sums[i]] as const
    }),
  }))
}

const boundsOf = (lines: readonly Line[], { x, y, goal }: Chart) => {
  const xs = [...(x.ticks ?? []), ...lines.flatMap(({ points }) => points.map(([at]) => at))]
  const ys = [...lines.flatMap(({ points }) => points.map(([, value]) => value)), ...(goal ? [goal.value] : [])]
  const yTicks = y.ticks ?? roundTicks(ys.reduce((most, value) => Math.max(most, value), 0))
  const left = xs.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
  const right = xs.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
  return { left, right: right > left ? right : left + 1, top: yTicks[yTicks.length - 1], yTicks }
}

const scales = ({ left, right, top }: ReturnType<typeof boundsOf>) => ({
  atX: (value: number): number => round(LEFT + ((value - left) / (right - left)) * (WIDTH - LEFT - RIGHT)),
  atY: (value: number): number => round(HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM)),
})

const round = (value: number): number => Math.round(value * 10) / 10

const pathOf = (points: Line['points'], { atX, atY }: ReturnType<typeof scales>): string =>
  points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${atX(x)} ${atY(y)}`).join('')

const areaOf = (line: Line, below: Line | undefined, to: ReturnType<typeof scales>): string => {
  const floor = below?.points ?? line.points.map(([x]) => [x, 0] as const)
  return `${pathOf(line.points, to)}${pathOf(floor.toReversed(), to).replace('M', 'L')}Z`
}

const grid = (chart: Chart, bounds: ReturnType<typeof boundsOf>, { atX, atY }: ReturnType<typeof scales>): string => {
  const { x, y } = chart
  const xTicks = x.ticks ?? roundTicks(bounds.right).filter((value) => value >= bounds.left && value <= bounds.right)
  return [
    ...bounds.yTicks.map(
      (value) =>
        `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${atY(value)}" y2="${atY(value)}"/>` +
        `<text class="tick" x="${LEFT - 8}" y="${atY(value) + 4}" text-anchor="end">${escapeText(y.format(value))}</text>`,
    ),
    ...xTicks.map(
      (value) =>
        `<text class="tick" x="${atX(value)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${escapeText(x.format(value))}</text>`,
    ),
    `<text class="tick" x="${WIDTH - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${escapeText(x.label)}</text>`,
  ].join('')
}

const goalLine = ({ goal }: Chart, { atY }: ReturnType<typeof scales>): string =>
  goal === undefined
    ? ''
    : `<line class="goal" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${atY(goal.value)}" y2="${atY(goal.value)}"/>` +
      `<text class="tick" x="${WIDTH - RIGHT}" y="${atY(goal.value) - 5}" text-anchor="end">${escapeText(goal.label)}</text>`

const legend = (lines: readonly Line[]): string =>
  lines.map(({ name }, i) => `<span class="key"><i class="series-${i}"></i>${escapeText(name)}</span>`).join('')

/** A chart as HTML: an inline SVG with its title, unit and legend. Colours are the page's. */
export const renderChart = (chart: Chart): string => {
  const lines = chart.stacked ? stack(chart.lines) : chart.lines
  const bounds = boundsOf(lines, chart)
  const to = scales(bounds)
  const drawn = lines.map((line, i) =>
    chart.stacked
      ? `<path class="area series-${i}" d="${areaOf(line, lines[i - 1], to)}"/>`
      : `<path class="line series-${i}" d="${pathOf(line.points, to)}"/>`,
  )
  return `<figure>
<figcaption><b>${escapeText(chart.title)}</b> <span class="unit">${escapeText(chart.y.label)}</span><div>${legend(chart.lines)}</div></figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeText(chart.title)}">${grid(chart, bounds, to)}${drawn.join('')}${goalLine(chart, to)}</svg>
</figure>`
}
