import { ARCHIVE_FORMAT, type ArchiveGroup, type ArchiveManifest, manifestName } from '#schema/archive.ts'
import { NewerFormat, ObjectConflict, type ObjectStore } from '../ports.ts'
import { emptyManifest } from './manifest.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

interface Held<T> {
  value: T
  generation: string | null
}

interface Change<T> {
  edit: (value: T) => T
  done: PromiseWithResolvers<T>
}

/** A JSON object in a store that is changed by compare-and-set. */
export interface Document<T> {
  read(): Promise<T>
  /** As this process last saw it, which may be long ago; read where it has not. */
  recall(): Promise<T>
  /**
   * Answers the value with the change in it. `edit` may run several times, and answers its argument where there is
   * nothing to change. Changes that come while a write is under way are written together: a store takes about one write
   * a second of one object.
   */
  change(edit: (value: T) => T): Promise<T>
}

const parse = <T extends { format: number }>(name: string, data: Uint8Array): T => {
  const value = JSON.parse(decoder.decode(data)) as T
  if (value.format <= ARCHIVE_FORMAT) return value
  throw new NewerFormat(`${name} has format ${value.format}; this version reads up to ${ARCHIVE_FORMAT}`)
}

export const readDocument = async <T extends { format: number }>(
  store: ObjectStore,
  name: string,
): Promise<T | null> => {
  const found = await store.get(name)
  return found && parse<T>(name, found.data)
}

export const createDocument = <T extends { format: number }>(
  store: ObjectStore,
  name: string,
  empty: T,
  stamp: (value: T) => T = (value) => value,
): Document<T> => {
  let held: Held<T> | null = null
  let waiting: Change<T>[] = []
  let running = false

  const load = async (): Promise<Held<T>> => {
    const found = await store.get(name)
    return found
      ? { value: parse<T>(name, found.data), generation: found.info.generation }
      : { value: empty, generation: null }
  }

  /** Changes that throw are taken out: they are no matter of the others. */
  const edited = (value: T, changes: Change<T>[]): T => {
    let result = value
    for (const change of [...changes]) {
      try {
        result = change.edit(result)
      } catch (error) {
        changes.splice(changes.indexOf(change), 1)
        change.done.reject(error)
      }
    }
    return result
  }

  const write = async (changes: Change<T>[]): Promise<T> => {
    for (;;) {
      held ??= await load()
      const { value, generation } = held
      const result = edited(value, changes)
      if (result === value) return value
      const stamped = stamp(result)
      try {
        const info = await store.put(name, encoder.encode(JSON.stringify(stamped)), generation)
        held = { value: stamped, generation: info.generation }
        return stamped
      } catch (error) {
        // What stands there now is not known: it is read again.
        held = null
        if (!(error instanceof ObjectConflict)) throw error
      }
    }
  }

  const run = async (): Promise<void> => {
    if (running) return
    running = true
    while (waiting.length > 0) {
      const changes = waiting
      waiting = []
      try {
        const value = await write(changes)
        for (const { done } of changes) done.resolve(value)
      } catch (error) {
        for (const { done } of changes) done.reject(error)
      }
    }
    running = false
  }

  return {
    async read() {
      held = await load()
      return held.value
    },
    async recall() {
      held ??= await load()
      return held.value
    },
    change(edit) {
      const done = Promise.withResolvers<T>()
      waiting.push({ edit, done })
      void run()
      return done.promise
    },
  }
}

/** The manifests that one process changes. */
export type Manifests = (group: ArchiveGroup) => Document<ArchiveManifest>

/** Of those that were used longest ago none is remembered: an import may reach thousands of days. */
const MOST_HELD = 1_000

export const createManifests = (store: ObjectStore): Manifests => {
  const documents = new Map<string, Document<ArchiveManifest>>()
  return (group) => {
    const name = manifestName(group)
    const document =
      documents.get(name) ??
      createDocument(store, name, emptyManifest(group), (value) => ({ ...value, revision: value.revision + 1 }))
    documents.delete(name)
    documents.set(name, document)
    if (documents.size > MOST_HELD) documents.delete(documents.keys().next().value as string)
    return document
  }
}
