import { readFile, writeFile } from 'node:fs/promises'
import { crc32c } from '@node-rs/crc32'
import { ObjectConflict, type ObjectInfo, ObjectMissing, type ObjectStore } from '#processors/ports.ts'
import { encodeChecksum } from '../archive/checksum.ts'

interface Held {
  info: ObjectInfo
  data: Uint8Array
}

/** Objects in memory, for simulations: they outlive whoever uses them. */
export class MemoryObjects {
  readonly held = new Map<string, Held>()
  private writes = 0
  private readonly now: () => number

  constructor(now: () => number = Date.now) {
    this.now = now
  }

  store(): ObjectStore {
    const { held } = this
    const get = (name: string): Held => {
      const found = held.get(name)
      if (!found) throw new ObjectMissing(name)
      return found
    }
    return {
      place: 'memory',
      put: async (name, body, generation) => {
        const data = body instanceof Uint8Array ? body.slice() : new Uint8Array(await readFile(body.path))
        if ((held.get(name)?.info.generation ?? null) !== generation) throw new ObjectConflict(name)
        const info = { name, bytes: data.length, generation: String(++this.writes), at: this.now() }
        held.set(name, { info, data })
        return info
      },
      get: async (name) => held.get(name) ?? null,
      fetch: async (name, path) => writeFile(path, get(name).data),
      info: async (name) => held.get(name)?.info ?? null,
      checksum: async (name) => encodeChecksum(crc32c(get(name).data)),
      async *list(prefix) {
        for (const name of [...held.keys()].sort()) if (name.startsWith(prefix)) yield get(name).info
      },
      delete: async (name) => {
        held.delete(name)
      },
    }
  }
}
