import type { DefinitionState } from '#schema/checkpoint.ts'
import { type EventLine, SESSION_END } from '#schema/event.ts'
import { type Condition, type MetricDefinition, sliceSizes } from '#schema/metric.ts'
import type { Total } from './model.ts'

const read = (line: EventLine, field: string): unknown => {
  if (field === 'name') return line.e.name
  if (field === 'userId' || field === 'anonymousId') return line.e[field]
  if (field === 'user') return line.e.userId ?? line.e.anonymousId ?? line.key
  return line.e.properties?.[field.slice('properties.'.length)]
}

const holds = (line: EventLine, { field, op, value }: Condition): boolean => {
  const found = read(line, field)
  if (op === 'GT') return typeof found === 'number' && found > (value as number)
  if (op === 'NE') return found !== value
  throw new Error(`the model knows no ${op}`)
}

const dimension = (value: unknown): string | null =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null

export const totalKey = ({
  metric,
  version,
  size,
  start,
  dims,
}: Omit<Total, 'values' | 'measure' | 'events' | 'corrections'>) => JSON.stringify([metric, version, size, start, dims])

/** What a metric's conditions say of an event. */
export const counts = ({ event, where }: MetricDefinition, line: EventLine): boolean =>
  (event === '*' ? line.e.name !== SESSION_END : event === line.e.name) &&
  where.every((condition) => holds(line, condition))

export const dimsOf = ({ dimensions }: Pick<MetricDefinition, 'dimensions'>, line: EventLine): (string | null)[] =>
  dimensions.map((field) => dimension(read(line, field)))

const measuredOf = ({ measure: { field } }: MetricDefinition, line: EventLine): unknown =>
  field === undefined ? 1 : read(line, field)

/** What an event stands for: its value as often as its weight says, which is whole here. */
export const valuesOf = (definition: MetricDefinition, line: EventLine): unknown[] =>
  Array.from({ length: line.weight }, () => measuredOf(definition, line))

/** Adds an event to the slices of a metric that counts it. */
export const addTo = (
  totals: Map<string, Total>,
  { definition }: DefinitionState,
  line: EventLine,
  watermark: number,
): void => {
  if (!counts(definition, line)) return
  for (const size of sliceSizes(definition)) {
    const start = line.time - (line.time % size)
    const dims = dimsOf(definition, line)
    const { name: metric, version, measure } = definition
    const series = { metric, version, size, start, dims }
    const key = totalKey(series)
    const total = totals.get(key) ?? { ...series, events: 0, corrections: 0, values: [], measure }
    totals.set(key, total)
    total.events++
    if (watermark >= start + size) total.corrections++
    total.values.push(...valuesOf(definition, line))
  }
}
