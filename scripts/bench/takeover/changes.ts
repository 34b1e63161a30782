import type { Nats } from '#infra/nats/connect.ts'
import { createStateStore } from '#infra/nats/state.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'

/** A partition got another owner. Times of performance.now(). */
export interface Change {
  partition: number
  /** Last checkpoint of the former owner, and first of the next one, as they were seen. */
  lastAt: number
  firstAt: number
}

const decoder = new TextDecoder()

/** Sees every checkpoint as it is committed, and so every change of owners. */
export const watchChanges = async (nats: Nats, partitions: number) => {
  const stores = Array.from({ length: partitions }, (_, partition) => createStateStore(nats.broker, partition))
  const seen: ({ epoch: number; at: number } | undefined)[] = stores.map(() => undefined)
  const changes: Change[] = []
  let wake: () => void = () => undefined

  const deliveries = await Promise.all(
    stores.map(async (_, partition) => {
      const stream = stateStream(partition)
      const { last } = await nats.broker.range(stream)
      return nats.broker.consume(stream, { start: last + 1, filters: [settledSubject(partition)] })
    }),
  )
  const follow = async (partition: number): Promise<void> => {
    for await (const { data } of deliveries[partition]) {
      const { epoch } = JSON.parse(decoder.decode(data)) as Settlement
      const at = performance.now()
      const known = seen[partition]
      if (known && epoch > known.epoch) changes.push({ partition, lastAt: known.at, firstAt: at })
      seen[partition] = { epoch, at }
      wake()
    }
  }
  const done = Promise.all(stores.map((_, partition) => follow(partition)))

  return {
    /** Changes since the last call. */
    take: (): Change[] => changes.splice(0),
    /** Pid of the owner of each partition, of the heads; undefined before the first checkpoint was seen. */
    owners: () =>
      Promise.all(
        stores.map(async (store, partition) => {
          const { head } = await store.head()
          // <host>-<pid>-<random>
          return seen[partition]?.epoch === head?.epoch ? Number(head?.owner.split('-').at(-2)) : undefined
        }),
      ),
    /** Resolves at the next checkpoint of any partition. */
    next: () =>
      new Promise<void>((resolve) => {
        wake = resolve
      }),
    async stop(): Promise<void> {
      for (const delivery of deliveries) delivery.stop()
      await done
    },
  }
}

export type Changes = Awaited<ReturnType<typeof watchChanges>>

/** Resolves when these processes and no others are at work on all partitions, in even shares. */
export const evenly = async (changes: Changes, pids: readonly number[]): Promise<void> => {
  for (;;) {
    const owners = await changes.owners()
    const sizes = pids.map((pid) => owners.filter((owner) => owner === pid).length)
    const isAll = sizes.reduce((sum, size) => sum + size, 0) === owners.length
    if (isAll && Math.max(...sizes) - Math.min(...sizes) <= 1) return
    await changes.next()
  }
}
