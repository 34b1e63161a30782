/** What happens at a moment of simulated time. */
export interface Task {
  /** Milliseconds since the simulation began. */
  at: number
  order: number
  cancelled: boolean
  run(): void
}

// Kept before anything is replaced: only a turn of the real event loop tells that all promises have settled.
const turn = globalThis.setImmediate
const settled = (): Promise<void> => new Promise((resolve) => void turn(resolve))

const isBefore = (a: Task, b: Task): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

/** A binary heap: tasks in the order of their times, those of the same time as they were added. */
const createHeap = () => {
  const heap: Task[] = []
  const swap = (a: number, b: number): void => {
    const one = heap[a]
    heap[a] = heap[b]
    heap[b] = one
  }
  return {
    push(task: Task): void {
      let at = heap.push(task) - 1
      while (at > 0) {
        const parent = (at - 1) >> 1
        if (!isBefore(heap[at], heap[parent])) return
        swap(at, parent)
        at = parent
      }
    },
    pop(): Task | undefined {
      const first = heap[0]
      const last = heap.pop()
      if (heap.length === 0 || !last) return first
      heap[0] = last
      for (let at = 0; ; ) {
        let least = at
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < heap.length && isBefore(heap[child], heap[least])) least = child
        }
        if (least === at) return first
        swap(at, least)
        at = least
      }
    },
  }
}

/**
 * Simulated time. Nothing waits for real: time jumps from one task to the next, and between two tasks every promise
 * settles, so that a run is a function of its seed.
 */
export const createScheduler = () => {
  const heap = createHeap()
  let now = 0
  let order = 0
  const after = (delayMs: number, run: () => void): Task => {
    const task: Task = { at: now + Math.max(0, delayMs), order: order++, cancelled: false, run }
    heap.push(task)
    return task
  }
  return {
    now: (): number => now,
    /** After `delayMs`; a negative delay is none. */
    after,
    pause: (ms: number): Promise<void> => new Promise((resolve) => void after(ms, resolve)),
    /** Runs until `isOver` holds or the time is up; answers whether it held. */
    async run(isOver: () => boolean, untilMs: number): Promise<boolean> {
      await settled()
      for (;;) {
        if (isOver()) return true
        const task = heap.pop()
        if (!task || task.at > untilMs) {
          if (task) heap.push(task)
          if (Number.isFinite(untilMs)) now = Math.max(now, untilMs)
          return false
        }
        if (task.cancelled) continue
        now = task.at
        task.run()
        await settled()
      }
    },
  }
}

export type Scheduler = ReturnType<typeof createScheduler>
