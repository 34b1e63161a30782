import type { CompiledMetric } from '#schema/compile-metric.ts'
import type { EventLine } from '#schema/event.ts'
import { seriesKey } from '#schema/metric.ts'
import type { Series } from './slices.ts'

type Value = string | null

/** What names a series in each of its windows. */
export interface SeriesName {
  readonly dims: Value[]
  /** See seriesKey. */
  readonly key: string
  /** The series that it had last in each store of its metric. */
  readonly latest: Series[]
}

/** Names by their first value, then by the next: a path of maps. */
interface Node {
  name?: SeriesName
  next?: Map<Value, Node>
}

/** Past so many it starts anew: twice what one window keeps by name. */
const MOST_NAMES = 20_000

export const nameOf = (dims: Value[]): SeriesName => ({ dims, key: seriesKey(dims), latest: [] })

/**
 * Names that events have had, so that most events make no new text and no new list: they find the name by its values. It
 * only remembers; whatever it has forgotten it makes again.
 */
export class SeriesNames {
  private readonly read: CompiledMetric['dims']
  private readonly values: Value[] = []
  private root: Node = {}
  private count = 0

  constructor(read: CompiledMetric['dims']) {
    this.read = read
  }

  /** Throws what reading the dimensions throws. */
  of(line: EventLine): SeriesName {
    const values = this.read(line, this.values)
    let node = this.root
    for (let i = 0; i < values.length; i++) node = node.next?.get(values[i]) ?? this.extend(node, values[i])
    node.name ??= nameOf([...values])
    return node.name
  }

  forget(): void {
    this.root = {}
    this.count = 0
  }

  private extend(node: Node, value: Value): Node {
    // The path that is under way goes on in what is forgotten: its name is made, and not found again.
    if (this.count >= MOST_NAMES) this.forget()
    this.count++
    const added: Node = {}
    node.next ??= new Map()
    node.next.set(value, added)
    return added
  }
}
