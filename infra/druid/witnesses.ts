import type { DruidClient } from './client.ts'
import type { StoredEvent } from './event-rows.ts'
import { orNothing } from './freshness.ts'
import { unavailable } from './sql-errors.ts'

/** What happened longer ago may have left the table by its retention, and proves nothing. */
const PROVES_MS = 24 * 3_600_000

interface Witness {
  time: number
  partition: number
  sequence: number
}

/**
 * Raw events do not say how far they are: a position is behind all frames of a checkpoint, and they are on another topic.
 * But Druid has the frames of a partition in their order. So of what answers have shown, the newest event of each
 * partition stands for all before it: while it is there, so are they.
 */
export interface Witnesses {
  note(events: readonly StoredEvent[]): void
  /** Throws UNAVAILABLE while Druid has lost one. */
  check(): Promise<void>
}

export const watchWitnesses = (client: DruidClient, now: () => number): Witnesses => {
  const newest = new Map<number, Witness>()

  const valid = (): Witness[] => {
    for (const [partition, { time }] of newest) if (time < now() - PROVES_MS) newest.delete(partition)
    return [...newest.values()]
  }

  return {
    note(events) {
      for (const { line, key } of events) {
        const [time, partition, sequence] = [line.time, Number(key[2]), Number(key[3])]
        if (time < now() - PROVES_MS || sequence <= (newest.get(partition)?.sequence ?? -1)) continue
        newest.set(partition, { time, partition, sequence })
      }
    },
    async check() {
      const wanted = valid()
      if (wanted.length === 0) return
      const one = '(__time = MILLIS_TO_TIMESTAMP(?) AND "partition" = ? AND "sequence" = ?)'
      const sql = `SELECT DISTINCT "partition" FROM raw_events WHERE ${wanted.map(() => one).join(' OR ')}`
      const values = wanted.flatMap(({ time, partition, sequence }) => [time, partition, sequence])
      const there = new Set((await orNothing(client.query(sql, values))).rows.map(([partition]) => Number(partition)))
      const lost = wanted.find(({ partition }) => !there.has(partition))
      if (lost) {
        const place = `sequence ${lost.sequence} of partition ${lost.partition}`
        throw unavailable(`Druid is behind: it had events up to ${place}; try again in a few seconds`)
      }
    },
  }
}
