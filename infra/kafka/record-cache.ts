import type { RecordEntry } from './record-batch.ts'

/** The newest records of one partition of a topic. */
interface CachedRecords {
  /** Every record from here on is in it. */
  from(): number
  /** Records from an offset on, until there are as many bytes; one at least where there is one. */
  read(offset: number, bytes: number): RecordEntry[]
  append(entries: readonly RecordEntry[]): void
  /** Forgets all: records from `from` on will come. */
  reset(from: number): void
}

interface Slot {
  entry: RecordEntry
  drop(): void
}

/** Dropped heads of arrays stay until they are so many. */
const COMPACT = 1_024

/** A list that is taken from at its head. */
const createQueue = <T>() => {
  let items: T[] = []
  let head = 0
  return {
    push: (item: T) => items.push(item),
    length: () => items.length - head,
    at: (index: number): T => items[head + index],
    shift(): T | undefined {
      const item = items[head++]
      if (head > COMPACT && head * 2 > items.length) {
        items = items.slice(head)
        head = 0
      }
      return item
    },
    keep(isKept: (item: T) => boolean) {
      items = items.slice(head).filter(isKept)
      head = 0
    },
  }
}

/** Records of all topics and partitions within one bound of bytes: the oldest one of all leaves first. */
export const createRecordCache = (mostBytes: number) => {
  const order = createQueue<Slot>()
  let bytes = 0

  const open = (): CachedRecords => {
    const slots = createQueue<Slot>()
    let from = 0
    const drop = (): void => {
      const slot = slots.shift()!
      from = slot.entry.offset + 1
    }
    /** Index of the first one at or behind the offset. */
    const indexOf = (offset: number): number => {
      let [low, high] = [0, slots.length()]
      while (low < high) {
        const middle = (low + high) >> 1
        if (slots.at(middle).entry.offset < offset) low = middle + 1
        else high = middle
      }
      return low
    }
    return {
      from: () => from,
      read(offset, wanted) {
        const found: RecordEntry[] = []
        let left = wanted
        for (let i = indexOf(offset); i < slots.length(); i++) {
          const { entry } = slots.at(i)
          left -= entry.batch.length
          if (left < 0 && found.length > 0) break
          found.push(entry)
        }
        return found
      },
      append(entries) {
        for (const entry of entries) {
          const slot = { entry, drop }
          slots.push(slot)
          order.push(slot)
          bytes += entry.batch.length
        }
        while (bytes > mostBytes) {
          const slot = order.shift()!
          bytes -= slot.entry.batch.length
          slot.drop()
        }
      },
      reset(next) {
        if (slots.length() > 0) order.keep((slot) => slot.drop !== drop)
        while (slots.length() > 0) bytes -= slots.shift()!.entry.batch.length
        from = next
      },
    }
  }
  return { open, bytes: () => bytes }
}

export type RecordCache = ReturnType<typeof createRecordCache>
