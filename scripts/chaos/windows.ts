import { type Point, pointKey } from '#infra/testing/graphql.ts'

/** A counted event, with what metrics look at. */
export interface CountedEvent {
  timeMs: number
  name: string
  user: string
  path: string
  status: number
  bytes: number
  amount: number
}

/** A built-in metric, written down once more: nothing of the product is asked what it means. */
interface MetricModel {
  name: string
  counts: (event: CountedEvent) => boolean
  dimensions: Record<string, (event: CountedEvent) => string | null>
  value: (events: readonly CountedEvent[]) => number
}

const isView = ({ name }: CountedEvent): boolean => name === 'page_view'
const isConversion = ({ name }: CountedEvent): boolean => name === 'conversion'
const sumOf = (field: 'amount' | 'bytes') => (events: readonly CountedEvent[]) =>
  events.reduce((sum, event) => sum + event[field], 0)
/** All clients are on this machine, which lies in no country. */
const country = () => null
const method = () => 'GET'
const status = (event: CountedEvent) => String(event.status)

const MODELS: readonly MetricModel[] = [
  {
    name: 'page_views',
    counts: isView,
    dimensions: {
      country,
      'properties.path': ({ path }) => path,
      'properties.method': method,
      'properties.status': status,
    },
    value: (events) => events.length,
  },
  {
    name: 'active_users',
    counts: () => true,
    dimensions: { country },
    value: (events) => new Set(events.map(({ user }) => user)).size,
  },
  { name: 'conversions', counts: isConversion, dimensions: { country }, value: (events) => events.length },
  { name: 'revenue', counts: isConversion, dimensions: { country }, value: sumOf('amount') },
  {
    name: 'bytes_served',
    counts: isView,
    dimensions: { country, 'properties.method': method, 'properties.status': status },
    value: sumOf('bytes'),
  },
]

/** What a window holds, as far as it can be compared: [value, events]. */
export type Windows = Map<string, [value: number | null, events: number]>

/** Sums of decimals depend on the order of adding in their last digits. */
const DIGITS = 12
export const comparable = (value: number | null): number | null =>
  value === null ? null : Number(value.toPrecision(DIGITS))

export interface WindowChoice {
  name: string
  sizeMs: number
  /** Absent: all dimensions. */
  by?: readonly string[]
}

/** The windows of a metric, counted from the events alone. */
export const countWindows = (events: readonly CountedEvent[], { name, sizeMs, by }: WindowChoice): Windows => {
  const model = MODELS.find((one) => one.name === name)
  if (!model) throw new Error(`no model of ${name}`)
  const readers = (by ?? Object.keys(model.dimensions)).map((field) => model.dimensions[field])
  const groups = new Map<string, CountedEvent[]>()
  for (const event of events) {
    if (!model.counts(event)) continue
    const windowStart = new Date(Math.floor(event.timeMs / sizeMs) * sizeMs).toISOString()
    const key = pointKey({ windowStart, dimensions: readers.map((read) => read(event)) })
    const group = groups.get(key)
    if (group) group.push(event)
    else groups.set(key, [event])
  }
  return new Map([...groups].map(([key, group]) => [key, [comparable(model.value(group)), group.length]]))
}

/** Points as they were answered or pushed. */
export const windowsOf = (points: Iterable<Point>): Windows =>
  new Map([...points].map((point) => [pointKey(point), [comparable(point.value), Number(point.events)]]))

/** Points that two say differently though both have them: their status or how often they changed. */
export const disagreements = (ones: ReadonlyMap<string, Point>, others: ReadonlyMap<string, Point>): string[] => {
  const show = ({ status, revision }: Point) => `${status}, revision ${revision}`
  return [...ones].flatMap(([key, one]) => {
    const other = others.get(key)
    return other && show(one) !== show(other) ? [`${key}: ${show(one)}; the other has ${show(other)}`] : []
  })
}

/** Each window in which the two differ, in words. */
export const differences = (expected: Windows, found: Windows): string[] => {
  const show = (windows: Windows, key: string) => windows.get(key)?.join(' of ') ?? 'nothing'
  return [...new Set([...expected.keys(), ...found.keys()])]
    .filter((key) => show(expected, key) !== show(found, key))
    .map((key) => `${key}: expected ${show(expected, key)} events, found ${show(found, key)}`)
}
