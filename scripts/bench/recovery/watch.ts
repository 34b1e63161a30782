import type { Nats } from '#infra/nats/connect.ts'
import { createStateStore } from '#infra/nats/state.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'

const decoder = new TextDecoder()

/** Sees every checkpoint as it is committed. */
export const watchCheckpoints = async (nats: Nats, partitions: number) => {
  const epochs = await Promise.all(
    Array.from(
      { length: partitions },
      async (_, p) => (await createStateStore(nats.broker, p).head()).head?.epoch ?? 0,
    ),
  )
  let looked = [...epochs]
  let newerAt = new Map<number, number>()
  let changed: () => void = () => undefined
  const deliveries = await Promise.all(
    epochs.map(async (_, partition) => {
      const { last } = await nats.broker.range(stateStream(partition))
      const filters = [settledSubject(partition)]
      return nats.broker.consume(stateStream(partition), { start: last + 1, filters })
    }),
  )
  const follow = async (partition: number): Promise<void> => {
    for await (const { data } of deliveries[partition]) {
      const { epoch } = JSON.parse(decoder.decode(data)) as Settlement
      epochs[partition] = epoch
      if (epoch <= looked[partition] || newerAt.has(partition)) continue
      newerAt.set(partition, performance.now())
      changed()
    }
  }
  const done = Promise.all(deliveries.map((_, partition) => follow(partition)))
  return {
    /** Owners of now are the former ones from here on. */
    look(): void {
      looked = [...epochs]
      newerAt = new Map()
    },
    /** Resolves when every partition has a checkpoint of a newer owner, with when that was (performance.now). */
    async allNewer(): Promise<number[]> {
      while (newerAt.size < partitions) {
        await new Promise<void>((resolve) => {
          changed = resolve
        })
      }
      return [...newerAt.values()]
    },
    async stop(): Promise<void> {
      for (const delivery of deliveries) delivery.stop()
      await done
    },
  }
}
