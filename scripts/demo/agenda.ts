/** What is to happen at which time; entries of one time come out in the order they went in. A binary heap. */
export const createAgenda = <T>() => {
  const entries: { at: number; order: number; what: T }[] = []
  let order = 0
  const before = (i: number, j: number) =>
    entries[i].at < entries[j].at || (entries[i].at === entries[j].at && entries[i].order < entries[j].order)
  const swap = (i: number, j: number) => {
    ;[entries[i], entries[j]] = [entries[j], entries[i]]
  }
  const rise = (start: number) => {
    for (let i = start; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!before(i, parent)) return
      swap(i, parent)
      i = parent
    }
  }
  const sink = () => {
    for (let i = 0; ; ) {
      let first = i
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < entries.length && before(child, first)) first = child
      if (first === i) return
      swap(i, first)
      i = first
    }
  }
  return {
    add: (at: number, what: T): void => {
      entries.push({ at, order: order++, what })
      rise(entries.length - 1)
    },
    /** The next entry, when its time is before `end`. */
    takeBefore: (end: number): { at: number; what: T } | undefined => {
      if (entries.length === 0 || entries[0].at >= end) return undefined
      const first = entries[0]
      const last = entries.pop()!
      if (entries.length > 0) {
        entries[0] = last
        sink()
      }
      return first
    },
  }
}
