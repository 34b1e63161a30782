import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectStore } from '#processors/ports.ts'

/** Copies of objects in a folder: of those that were last asked for and no others. */
export const createCopies = (store: ObjectStore, folder: string) => {
  let held = new Map<string, string>()
  return {
    async of(names: readonly string[]): Promise<string[]> {
      await mkdir(folder, { recursive: true })
      const kept = new Map<string, string>()
      for (const name of names) {
        const path = held.get(name)
        if (path !== undefined) kept.set(name, path)
      }
      for (const [name, path] of held) if (!kept.has(name)) await rm(path, { force: true })
      held = kept
      for (const name of names) {
        if (held.has(name)) continue
        const path = join(folder, `${randomUUID()}.parquet`)
        await store.fetch(name, path)
        held.set(name, path)
      }
      return names.map((name) => held.get(name) as string)
    },
    async discard(): Promise<void> {
      for (const path of held.values()) await rm(path, { force: true })
      held = new Map()
    },
  }
}
