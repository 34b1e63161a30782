import { age, clock, decimal, number } from './format.mjs'

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

/** The state of the pipeline: rates, then each partition with its watermark and what holds it. */
export const showPipeline = ({ facts, partitions, durability }, status, now) => {
  facts.replaceChildren(
    fact('Events / s', decimal(status.eventsPerSecond)),
    fact('Processing lag', `${decimal(status.consumerLagSeconds)} s`),
    fact('Waiting', number(status.partitions.reduce((sum, { pendingEvents }) => sum + Number(pendingEvents), 0))),
  )
  durability.textContent = status.durability === 'FSYNCED' ? 'every event synced to disk' : 'durability not verified'
  partitions.replaceChildren(
    ...status.partitions.map(({ partition, owner, source, watermark, heldBy }) => {
      const item = document.createElement('li')
      const at = watermark ? Date.parse(watermark) : null
      const mark = at === null ? '–' : now - at < 86_400_000 ? clock(at) : `${age(now - at)} ago`
      const name = source === 'live' ? '' : ` ${source}`
      item.append(
        node('span', 'id', `${partition}`),
        node('span', 'mark', mark + name),
        node('span', 'why', heldBy ?? 'no events yet'),
      )
      item.title = heldBy ?? ''
      if (!owner) item.dataset.problem = ''
      return item
    }),
  )
}
