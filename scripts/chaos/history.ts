import type { Definition } from './definitions.ts'
import type { CountedEvent } from './fields.ts'

/** A version of a metric, as it was asked for. */
export interface Version {
  /** As the product answered. */
  version: number
  /** Null: deleted. */
  definition: Definition | null
}

/** Where a version took effect: its place in the log, by partition. */
export type Places = ReadonlyMap<number, number>

/** Places of all versions of one metric, by version. */
export type PlacesOfVersions = ReadonlyMap<number, Places>

/** All that was ever asked of the metrics of a run, each metric's versions in their order. */
export interface History {
  of: ReadonlyMap<string, readonly Version[]>
  note(name: string, version: Version): void
}

export const createHistory = (): History => {
  const of = new Map<string, Version[]>()
  return {
    of,
    note: (name, version) => {
      const known = of.get(name)
      if (known) known.push(version)
      else of.set(name, [version])
    },
  }
}

/** What does not hold of the places of a metric's versions: each in every partition, one after the other. */
export const placeProblems = (
  name: string,
  versions: readonly Version[],
  placesOf: PlacesOfVersions,
  partitions: number,
): string[] => {
  const problems: string[] = []
  const before = new Map<number, number>()
  for (const { version } of versions) {
    const places = placesOf.get(version)
    if (places?.size !== partitions) problems.push(`${name} ${version} is known in ${places?.size ?? 0} partitions`)
    for (const [partition, sequence] of places ?? []) {
      if (sequence <= (before.get(partition) ?? 0)) problems.push(`${name} ${version} stands before an earlier version`)
      before.set(partition, sequence)
    }
  }
  for (const version of placesOf.keys()) {
    if (!versions.some((one) => one.version === version)) problems.push(`nobody asked for ${name} ${version}`)
  }
  return problems
}

/** Events that a version counts: those behind its place in their partition, and before that of the next version. */
export const eventsOf = (
  events: Iterable<CountedEvent>,
  places: Places,
  next: Places | undefined,
): IteratorObject<CountedEvent> =>
  Iterator.from(events).filter(
    ({ partition, sequence }) =>
      sequence > (places.get(partition) ?? Number.POSITIVE_INFINITY) &&
      sequence < (next?.get(partition) ?? Number.POSITIVE_INFINITY),
  )
