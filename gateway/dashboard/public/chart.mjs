import { hourMinute, moment } from './format.mjs'
import { niceScale } from './scale.mjs'

const SVG = 'http://www.w3.org/2000/svg'
const PAD = { top: 12, right: 4, bottom: 26, left: 62 }
const LABEL_WIDTH = 84

const shape = (name, attributes, text) => {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  if (text !== undefined) element.textContent = text
  return element
}

const pathOf = (points) => points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`).join('')

/** A line without axes, for tiles. */
export const sparkline = (svg, values) => {
  const top = Math.max(...values, 1)
  const points = values.map((value, i) => [(i / Math.max(values.length - 1, 1)) * 100, 32 - (value / top) * 29])
  svg.setAttribute('viewBox', '0 0 100 34')
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.replaceChildren(
    shape('path', { class: 'area', d: `${pathOf(points)}L100 34L0 34Z` }),
    shape('path', { class: 'stroke', d: pathOf(points), 'vector-effect': 'non-scaling-stroke' }),
  )
}

/** A column with a rounded top. */
const column = (x, floor, width, height, r) =>
  `M${x} ${floor}v${r - height}q0 ${-r} ${r} ${-r}h${width - 2 * r}q${r} 0 ${r} ${r}v${height - r}Z`

const STATUS = {
  PROVISIONAL: 'still counting',
  COMPLETE: 'complete',
  CORRECTED: 'corrected by late events',
  FINAL: 'final',
}

/** A chart over time: pointer and arrow keys show a window's value. */
export const createChart = (host) => {
  const svg = shape('svg', { role: 'img', tabindex: '0' })
  const tip = document.createElement('div')
  tip.className = 'tip'
  tip.setAttribute('role', 'status')
  tip.hidden = true
  const empty = document.createElement('div')
  empty.className = 'empty'
  host.replaceChildren(svg, tip, empty)
  let shown = { windows: [], format: String, name: '' }
  let selected = null

  const geometry = () => {
    const { width, height } = host.getBoundingClientRect()
    const { windows } = shown
    const { top, step } = niceScale(Math.max(0, ...windows.map(({ value }) => value)))
    const inner = { width: width - PAD.left - PAD.right, height: height - PAD.top - PAD.bottom }
    const slot = inner.width / Math.max(windows.length, 1)
    return {
      width,
      height,
      top,
      step,
      slot,
      x: (i) => PAD.left + (i + 0.5) * slot,
      y: (value) => PAD.top + (1 - value / top) * inner.height,
    }
  }

  const axes = ({ width, height, top, step, slot, x, y }) => {
    const parts = []
    for (let value = 0; value <= top + step / 2; value += step) {
      parts.push(shape('line', { class: 'grid', x1: PAD.left, x2: width - PAD.right, y1: y(value), y2: y(value) }))
      const label = { class: 'axis', x: PAD.left - 10, y: y(value) + 4, 'text-anchor': 'end' }
      parts.push(shape('text', label, shown.format(value)))
    }
    const { windows } = shown
    const every = Math.max(1, Math.ceil(LABEL_WIDTH / slot))
    for (let i = windows.length - 1; i >= 0; i -= every) {
      const label = { class: 'axis', x: x(i), y: height - 6, 'text-anchor': 'middle' }
      parts.push(shape('text', label, moment(windows[i].start)))
    }
    return parts
  }

  // Windows are counted one by one, so they are columns; those that still count are open at the top.
  const columns = ({ slot, x, y }) =>
    shown.windows.map(({ start, value, status }, i) => {
      const width = Math.max(1, Math.min(slot * 0.72, 46))
      const height = Math.max(y(0) - y(value), value > 0 ? 1.5 : 0)
      const isOpen = status === 'PROVISIONAL'
      const name = `column${isOpen ? ' open' : ''}${start === selected ? ' selected' : ''}`
      const radius = Math.min(4, width / 3, height)
      return shape('path', { class: name, d: column(x(i) - width / 2, y(0), width, height, radius) })
    })

  const showTip = (at) => {
    const index = shown.windows.findIndex(({ start }) => start === selected)
    tip.hidden = index < 0
    if (index < 0) return
    const { start, end, value, status } = shown.windows[index]
    const strong = document.createElement('strong')
    strong.textContent = shown.format(value)
    const when = document.createElement('span')
    when.textContent = ` ${moment(start)} – ${hourMinute(end)}${status ? `, ${STATUS[status]}` : ''}`
    tip.replaceChildren(strong, when)
    const left = Math.min(Math.max(at.x(index) - tip.offsetWidth / 2, 0), at.width - tip.offsetWidth)
    tip.style.left = `${left}px`
    tip.style.top = `${Math.max(0, at.y(value) - 46)}px`
  }

  const draw = () => {
    const { windows, name } = shown
    empty.textContent = windows.length > 0 ? '' : 'No events yet. They show here as soon as they are counted.'
    if (windows.length === 0) {
      svg.replaceChildren()
      tip.hidden = true
      return
    }
    const at = geometry()
    svg.setAttribute('viewBox', `0 0 ${at.width} ${at.height}`)
    svg.setAttribute('aria-label', `${name}: ${windows.length} windows, newest ${shown.format(windows.at(-1).value)}`)
    svg.replaceChildren(...axes(at), ...columns(at))
    showTip(at)
  }

  const select = (index) => {
    const { windows } = shown
    selected = windows[Math.min(Math.max(index, 0), windows.length - 1)]?.start ?? null
    draw()
  }
  const leave = () => {
    selected = null
    draw()
  }
  svg.addEventListener('pointermove', ({ clientX }) => {
    const { left, width } = host.getBoundingClientRect()
    const share = (clientX - left - PAD.left) / (width - PAD.left - PAD.right)
    select(Math.floor(share * shown.windows.length))
  })
  svg.addEventListener('pointerleave', leave)
  svg.addEventListener('blur', leave)
  svg.addEventListener('keydown', (event) => {
    const index = shown.windows.findIndex(({ start }) => start === selected)
    const moves = {
      ArrowLeft: index < 0 ? shown.windows.length - 1 : index - 1,
      ArrowRight: index + 1,
      End: Infinity,
      Home: 0,
    }
    if (!(event.key in moves)) return
    event.preventDefault()
    select(moves[event.key])
  })
  new ResizeObserver(draw).observe(host)

  return {
    /** Windows without holes, in order of time. */
    show(windows, { name, format }) {
      shown = { windows, name, format }
      draw()
    },
  }
}
