import type { Nats } from '#infra/nats/connect.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'

const decoder = new TextDecoder()

/** Counts the events that checkpoints of all partitions have settled. */
export const watchSettled = async (nats: Nats, partitions: number) => {
  let events = 0
  let checkpoints = 0
  const outcomes = { C: 0, D: 0, L: 0, I: 0 }
  let changed: () => void = () => undefined
  const deliveries = await Promise.all(
    Array.from({ length: partitions }, (_, partition) =>
      nats.broker.consume(stateStream(partition), { start: 1, filters: [settledSubject(partition)] }),
    ),
  )
  const done = deliveries.map(async (delivery) => {
    for await (const { data } of delivery) {
      const { totals } = JSON.parse(decoder.decode(data)) as Settlement
      for (const { C, D, L, I } of Object.values(totals)) {
        events += C + D + L + I
        outcomes.C += C
        outcomes.D += D
        outcomes.L += L
        outcomes.I += I
      }
      checkpoints++
      changed()
    }
  })
  return {
    checkpoints: () => checkpoints,
    /** How many events counted, were duplicates, late, invalid. */
    outcomes: () => ({ ...outcomes }),
    /** Resolves with how many there are once there are so many. */
    async reaches(count: number): Promise<number> {
      while (events < count) {
        await new Promise<void>((resolve) => {
          changed = resolve
        })
      }
      return events
    },
    async [Symbol.asyncDispose](): Promise<void> {
      for (const delivery of deliveries) delivery.stop()
      await Promise.all(done)
    },
  }
}
