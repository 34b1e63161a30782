import { decimal, moment, number } from './format.mjs'

const node = (name, className, text) => {
  const element = document.createElement(name)
  element.className = className
  element.textContent = text
  return element
}

/** A list of names with bars, the greatest first. */
export const showBars = (list, totals, { label, most = 10 }) => {
  const top = totals.slice(0, most)
  if (top.length === 0) {
    list.replaceChildren(node('li', 'none', 'Nothing yet'))
    return
  }
  list.replaceChildren(
    ...top.map(([key, value]) => {
      const item = document.createElement('li')
      const fill = node('span', 'fill', '')
      fill.style.width = `${(value / top[0][1]) * 100}%`
      const name = node('span', 'label', label(key))
      name.title = name.textContent
      item.append(fill, name, node('span', 'count', number(value)))
      return item
    }),
  )
}

const fact = (term, value) => {
  const group = document.createElement('div')
  group.append(node('dt', '', term), node('dd', '', value))
  return group
}

const partitionRow = (id, watermark, why, isProblem) => {
  const item = document.createElement('li')
  const mark = watermark ? moment(Date.parse(watermark), true) : '–'
  item.append(node('span', 'id', id), node('span', 'mark', mark), node('span', 'why', why ?? 'no events yet'))
  item.title = why ?? ''
  if (isProblem) item.dataset.problem = ''
  return item
}

/** The state of the pipeline: rates, then each partition with its watermark and what holds it, then imports. */
export const showPipeline = ({ facts, partitions, durability }, status) => {
  facts.replaceChildren(
    fact('Events / s', decimal(status.eventsPerSecond)),
    fact('Processing lag', `${decimal(status.consumerLagSeconds)} s`),
    fact('Waiting', number(status.partitions.reduce((sum, { pendingEvents }) => sum + Number(pendingEvents), 0))),
  )
  durability.textContent = status.durability === 'FSYNCED' ? 'every event synced to disk' : 'durability not verified'
  const live = status.partitions.filter(({ source }) => source === 'live')
  const imports = Map.groupBy(
    status.partitions.filter(({ source }) => source !== 'live'),
    ({ source }) => source,
  )
  partitions.replaceChildren(
    ...live.map(({ partition, owner, watermark, heldBy }) => partitionRow(`${partition}`, watermark, heldBy, !owner)),
    ...[...imports].map(([source, parts]) => {
      const lowest = parts.map(({ watermark }) => watermark).sort()[0]
      return partitionRow('↥', lowest, source, false)
    }),
  )
}
