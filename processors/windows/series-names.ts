import type { CompiledMetric } from '#schema/compile-metric.ts'
import { codedField, type EventLine } from '#schema/event.ts'
import { seriesKey } from '#schema/metric.ts'
import type { CodedField } from '#schema/scan/frame-scanner.ts'
import { NO_CODE } from '#schema/scan/properties.ts'
import { ScannedLine } from '#schema/scan/scanned-line.ts'
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

/** Places for names by codes, at first and at most. Powers of two. */
const [FEWEST_PLACES, MOST_PLACES] = [64, 4_096]

/** Names by the codes of their values (see FrameScanner.code): each has one place, where the last one stands. */
class NamesByCodes {
  private readonly fields: readonly CodedField[]
  private codes!: Int32Array
  private names: SeriesName[] = []
  private places = 0
  private added = 0
  /** Codes that were looked for, and the place where they would be. */
  private readonly wanted: Int32Array
  private place = 0

  constructor(fields: readonly CodedField[]) {
    this.fields = fields
    this.wanted = new Int32Array(fields.length)
    this.empty(FEWEST_PLACES)
  }

  /** Undefined where it is not known; null where a value has no code. */
  find(line: ScannedLine): SeriesName | undefined | null {
    const { fields, codes, wanted } = this
    let hash = 0
    for (let i = 0; i < fields.length; i++) {
      const code = line.code(fields[i])
      if (code === NO_CODE) return null
      wanted[i] = code
      hash = Math.imul(hash ^ code, 0x9e3779b1)
      hash ^= hash >>> 15
    }
    this.place = hash & (this.places - 1)
    const at = this.place * fields.length
    for (let i = 0; i < fields.length; i++) if (codes[at + i] !== wanted[i]) return undefined
    return this.names[this.place]
  }

  /** For what find did not know last. */
  add(name: SeriesName): void {
    this.codes.set(this.wanted, this.place * this.fields.length)
    this.names[this.place] = name
    this.added++
    if (this.added >= this.places && this.places < MOST_PLACES) this.empty(2 * this.places)
  }

  forget(): void {
    this.empty(this.places)
  }

  private empty(places: number): void {
    this.codes = new Int32Array(places * this.fields.length)
    this.names = new Array(places)
    this.places = places
    this.added = 0
  }
}

/**
 * Names that events have had, so that most events make no new text and no new list: they find the name by its values. It
 * only remembers; whatever it has forgotten it makes again.
 */
export class SeriesNames {
  private readonly read: CompiledMetric['dims']
  private readonly values: Value[] = []
  private readonly byCodes: NamesByCodes | null
  private root: Node = {}
  private count = 0

  /** `read` reads the values of these fields. */
  constructor(fields: readonly string[], read: CompiledMetric['dims']) {
    this.read = read
    const coded = fields.map(codedField).filter((field) => field !== null)
    this.byCodes = coded.length === fields.length && fields.length > 0 ? new NamesByCodes(coded) : null
  }

  /** Throws what reading the dimensions throws. */
  of(line: EventLine): SeriesName {
    const { byCodes } = this
    if (byCodes === null || !(line instanceof ScannedLine)) return this.byValues(line)
    const known = byCodes.find(line)
    if (known) return known
    const name = this.byValues(line)
    if (known === undefined) byCodes.add(name)
    return name
  }

  private byValues(line: EventLine): SeriesName {
    const values = this.read(line, this.values)
    let node = this.root
    for (let i = 0; i < values.length; i++) node = node.next?.get(values[i]) ?? this.extend(node, values[i])
    node.name ??= nameOf([...values])
    return node.name
  }

  forget(): void {
    this.root = {}
    this.count = 0
    this.byCodes?.forget()
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
