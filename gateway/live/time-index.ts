const BUCKET_MS = 1_000

const bucketOf = (time: number): number => Math.floor(time / BUCKET_MS)

/**
 * Items by a time, milliseconds. They stand in buckets of a second, so that moving one costs the same however many there
 * are, and looking at a span of time costs what is in it.
 */
export const createTimeIndex = <T>() => {
  const buckets = new Map<number, Set<T>>()

  return {
    add(time: number, item: T): void {
      const bucket = buckets.get(bucketOf(time))
      if (bucket) bucket.add(item)
      else buckets.set(bucketOf(time), new Set([item]))
    },
    remove(time: number, item: T): void {
      const bucket = buckets.get(bucketOf(time))
      if (bucket?.delete(item) && bucket.size === 0) buckets.delete(bucketOf(time))
    },
    /** All from `from` to `to`, both included, in any order; with them some from up to a second around. */
    *around(from: number, to: number): Generator<T> {
      const [first, last] = [bucketOf(from), bucketOf(to)]
      if (last - first < buckets.size) {
        for (let at = first; at <= last; at++) yield* buckets.get(at) ?? []
        return
      }
      for (const [at, bucket] of buckets) if (at >= first && at <= last) yield* bucket
    },
    /** Buckets from the newest to the oldest; the items of one in any order. */
    *newestFirst(): Generator<ReadonlySet<T>> {
      for (const at of [...buckets.keys()].sort((a, b) => b - a)) yield buckets.get(at) ?? new Set()
    },
  }
}

export type TimeIndex<T> = ReturnType<typeof createTimeIndex<T>>
