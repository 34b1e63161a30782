import { createChart, sparkline } from './chart.mjs'
import { amount, bytes, country, hourMinute, number } from './format.mjs'
import { showBars, showPipeline } from './lists.mjs'
import { fillWindows } from './scale.mjs'
import { createSeries } from './series.mjs'

const METRICS = [
  { name: 'page_views', title: 'Page views', format: number, sums: true },
  { name: 'active_users', title: 'Active users', format: number, sums: false },
  { name: 'conversions', title: 'Conversions', format: number, sums: true },
  { name: 'revenue', title: 'Revenue', format: amount, sums: true },
  { name: 'bytes_served', title: 'Data served', format: bytes, sums: true },
]
const WINDOWS = {
  PT1M: { sizeMs: 60_000, last: 60, unit: 'minute', span: '60 minutes' },
  PT1H: { sizeMs: 3_600_000, last: 48, unit: 'hour', span: '48 hours' },
}
const PIPELINE = `subscription {
  pipeline {
    asOf eventsPerSecond consumerLagSeconds durability
    partitions { partition owner source watermark pendingEvents heldBy }
  }
}`
const RETRY_MS = 2_000
const find = (id) => document.getElementById(id)

const createTile = ({ title }, onSelect) => {
  const tile = document.createElement('button')
  tile.type = 'button'
  tile.className = 'tile'
  tile.setAttribute('role', 'radio')
  tile.innerHTML =
    '<span class="name"></span><span class="value">–</span><span class="before"></span><svg aria-hidden="true"></svg>'
  tile.querySelector('.name').textContent = title
  tile.addEventListener('click', onSelect)
  return tile
}

/** All that is shown of one connection. `onAsOf` hears up to when data are complete, milliseconds. */
export const createBoard = ({ socket, onAsOf }) => {
  const chart = createChart(find('chart'))
  let window = 'PT1M'
  let selected = METRICS[0]
  let series = new Map()
  let pages
  let countries
  let isDrawing = false

  const filled = (name) => {
    const { sizeMs, last } = WINDOWS[window]
    return fillWindows(series.get(name).windows(), sizeMs, last, Date.now())
  }

  const drawTile = (tile, metric) => {
    const shown = filled(metric.name)
    const [before, now] = [shown.at(-2), shown.at(-1)]
    tile.querySelector('.value').textContent = now ? metric.format(now.value) : '–'
    const note = before ? `${metric.format(before.value)} in the ${WINDOWS[window].unit} before` : 'waiting for events'
    tile.querySelector('.before').textContent = series.get(metric.name).problem() ?? note
    tile.setAttribute('aria-checked', String(metric === selected))
    const values = shown.map(({ value }) => value)
    if (values.length > 0) sparkline(tile.querySelector('svg'), values)
  }

  const drawChart = () => {
    const { unit, span } = WINDOWS[window]
    const { name, title, format, sums } = selected
    const shown = filled(name)
    const total = shown.reduce((sum, { value }) => sum + value, 0)
    const until = shown.length > 0 ? ` until ${hourMinute(shown.at(-1).end)}` : ''
    find('chart-title').textContent = `${title} per ${unit}`
    find('chart-sub').textContent = sums ? `${format(total)} in ${span}${until}` : `distinct in each ${unit}`
    chart.show(shown, { name: title, format })
  }

  const draw = () => {
    isDrawing = false
    for (const [i, metric] of METRICS.entries()) drawTile(find('tiles').children[i], metric)
    drawChart()
    const from = filled('page_views')[0]?.start ?? 0
    showBars(find('pages'), pages.totals(from), { label: (path) => path ?? '(none)' })
    showBars(find('countries'), countries.totals(from), {
      label: (code) => (code === null ? 'Unknown' : country(code)),
    })
    const known = [...series.values()].map((one) => one.asOf()).filter(Boolean)
    if (known.length > 0) onAsOf(Math.max(...known))
  }
  const redraw = () => {
    if (isDrawing) return
    isDrawing = true
    requestAnimationFrame(draw)
  }

  const open = () => {
    const { last } = WINDOWS[window]
    const make = (name, by) => createSeries({ socket, name, window, by, last, onChange: redraw })
    series = new Map(METRICS.map(({ name }) => [name, make(name, [])]))
    pages = make('page_views', ['properties.path'])
    countries = make('page_views', ['country'])
    redraw()
  }
  const close = () => {
    for (const one of [...series.values(), pages, countries]) one.close()
  }

  const watchPipeline = () => {
    const parts = { facts: find('facts'), partitions: find('partitions'), durability: find('durability') }
    const end = socket.subscribe({
      query: PIPELINE,
      variables: () => ({}),
      onData: ({ pipeline }) => {
        showPipeline(parts, pipeline)
        onAsOf(Date.parse(pipeline.asOf))
      },
      onError: () => {
        end()
        setTimeout(watchPipeline, RETRY_MS)
      },
    })
  }

  const tiles = METRICS.map((metric) =>
    createTile(metric, () => {
      selected = metric
      redraw()
    }),
  )
  find('tiles').replaceChildren(...tiles)
  for (const button of document.querySelectorAll('[data-window]')) {
    button.onclick = () => {
      if (button.dataset.window === window) return
      window = button.dataset.window
      for (const other of document.querySelectorAll('[data-window]')) {
        other.setAttribute('aria-checked', String(other === button))
      }
      close()
      open()
    }
  }
  open()
  watchPipeline()
  // The newest window begins with the clock, also when nothing comes in.
  setInterval(redraw, 5_000)
}
