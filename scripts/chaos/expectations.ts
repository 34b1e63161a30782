import { differences, differencesBetween, type Found } from './compare.ts'
import { BUILTIN, type Definition, SESSION_END, SESSIONS_VIEW } from './definitions.ts'
import type { Clocks } from './evidence.ts'
import type { CountedEvent } from './fields.ts'
import { eventsOf, type History, type PlacesOfVersions } from './history.ts'
import { countEnds, countWindows, type HasEnded, type Question, type Windows } from './model.ts'

/** What somebody says of some windows of a metric. */
export interface Statement {
  who: string
  metric: string
  /** Absent: the newest one. */
  version?: number
  question: Question
  found: ReadonlyMap<string, Found>
}

/** From what it is counted anew. */
export interface Truth {
  events: readonly CountedEvent[]
  history: History
  /** Where the versions of metrics took effect, by metric. */
  places: ReadonlyMap<string, PlacesOfVersions>
  /** Clocks that everybody had heard of when the first statement was made, and those after the last. */
  before: Clocks
  after: Clocks
}

const NO_PLACES: PlacesOfVersions = new Map()

const endedBy =
  (clocks: Clocks): HasEnded =>
  ({ events: [{ partition, source }] }, endMs) =>
    endMs <= (clocks[partition].get(source) ?? Number.NEGATIVE_INFINITY)

/** Windows by metric, version and question, each counted once. */
export const createExpectations = ({ events, history, places, before, after }: Truth) => {
  const known = new Map<string, { least: Windows; most: Windows }>()

  /** A version's definition and its events. Null: nothing can be said of it, as it is deleted. */
  const standing = (metric: string, version?: number) => {
    const builtin = [...BUILTIN, SESSIONS_VIEW].find(({ name }) => name === metric)
    if (builtin) return { definition: builtin, own: events }
    const versions = history.of.get(metric) ?? []
    const at = version === undefined ? versions.length - 1 : versions.findIndex((one) => one.version === version)
    const placesOf = places.get(metric) ?? NO_PLACES
    const placesAt = (i: number) => (i in versions ? (placesOf.get(versions[i].version) ?? new Map()) : undefined)
    const { definition } = versions[at]
    if (!definition) return null
    return { definition, own: [...eventsOf(events, placesAt(at) ?? new Map(), placesAt(at + 1))] }
  }

  const count = (definition: Definition, own: readonly CountedEvent[], question: Question) => {
    if (definition.event !== SESSION_END) {
      const windows = countWindows(own, definition, question)
      return { least: windows, most: windows }
    }
    const [least, most] = [before, after].map((clocks) => countEnds(own, definition, question, endedBy(clocks)))
    return { least, most }
  }

  const expected = ({ metric, version, question }: Statement) => {
    const key = JSON.stringify([metric, version, question.window, question.by])
    let windows = known.get(key)
    if (!windows) {
      const one = standing(metric, version)
      windows = one ? count(one.definition, one.own, question) : { least: new Map(), most: new Map() }
      known.set(key, windows)
    }
    return windows
  }

  return {
    /** What is wrong with a statement, in words, and how many of its windows were at rest. */
    judge(statement: Statement): { lines: string[]; atRest: number } {
      const { who, found } = statement
      const { least, most } = expected(statement)
      const { lines, atRest } =
        least === most ? { lines: differences(most, found), atRest: most.size } : differencesBetween(least, most, found)
      return { lines: lines.map((line) => `${who}: ${line}`), atRest }
    },
  }
}
