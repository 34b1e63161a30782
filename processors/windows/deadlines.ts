/** Items by a time that may have grown since they were put in: a binary heap whose entries are looked at anew when due. */
export class Deadlines<T> {
  private readonly heap: { at: number; item: T }[] = []

  push(at: number, item: T): void {
    const { heap } = this
    heap.push({ at, item })
    let child = heap.length - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (heap[parent].at <= heap[child].at) return
      this.swap(parent, child)
      child = parent
    }
  }

  /** Takes the items out whose time has come; `timeOf` says when that is now, undefined: never. */
  takeDue(now: number, timeOf: (item: T) => number | undefined): T[] {
    const due: T[] = []
    while (this.heap.length > 0 && this.heap[0].at <= now) {
      const { item } = this.pop()
      const at = timeOf(item)
      if (at === undefined) continue
      if (at <= now) due.push(item)
      else this.push(at, item)
    }
    return due
  }

  private pop(): { at: number; item: T } {
    const { heap } = this
    this.swap(0, heap.length - 1)
    const first = heap.pop()!
    let parent = 0
    for (;;) {
      const left = 2 * parent + 1
      if (left >= heap.length) return first
      const least = left + 1 < heap.length && heap[left + 1].at < heap[left].at ? left + 1 : left
      if (heap[parent].at <= heap[least].at) return first
      this.swap(parent, least)
      parent = least
    }
  }

  private swap(a: number, b: number): void {
    const { heap } = this
    ;[heap[a], heap[b]] = [heap[b], heap[a]]
  }
}
