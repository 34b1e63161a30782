import type { OlapPart } from '#processors/ports.ts'
import { joinParts, type SizedPart } from './part.ts'

/** What has been read and waits to be written, all partitions together, bounded in bytes. */
export interface Pending {
  /** Adds a part; resolves when there is room for the next one. */
  add(part: SizedPart): Promise<void>
  /** Resolves when there is something to write, or when `stop` was called. */
  filled(): Promise<void>
  /** Takes everything, one part a partition. */
  take(): OlapPart[]
  bytes(): number
  /** Lets everybody go who waits. */
  stop(): void
}

export const createPending = (maxBytes: number): Pending => {
  let collected = new Map<number, OlapPart[]>()
  let bytes = 0
  let stopped = false
  let wake: (() => void)[] = []
  const changed = (): Promise<void> => new Promise((resolve) => wake.push(resolve))
  const wakeAll = (): void => {
    const waiting = wake
    wake = []
    for (const resolve of waiting) resolve()
  }
  return {
    async add({ part, bytes: size }) {
      const parts = collected.get(part.partition)
      if (parts) parts.push(part)
      else collected.set(part.partition, [part])
      bytes += size
      wakeAll()
      while (bytes >= maxBytes && !stopped) await changed()
    },
    async filled() {
      while (collected.size === 0 && !stopped) await changed()
    },
    take() {
      const parts = [...collected.values()].map(joinParts)
      collected = new Map()
      bytes = 0
      wakeAll()
      return parts
    },
    bytes: () => bytes,
    stop() {
      stopped = true
      wakeAll()
    },
  }
}
