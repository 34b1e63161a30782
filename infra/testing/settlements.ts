import type { Nats } from '#infra/nats/connect.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'

const PAGE = 1_000

/** Every settlement of a partition, in the order in which it stands in the stream; there is one in each checkpoint. */
export const readSettlements = async (nats: Nats, partition: number): Promise<Settlement[]> => {
  const consumer = await nats.js.consumers.get(stateStream(partition), { filter_subjects: settledSubject(partition) })
  const settlements: Settlement[] = []
  for (let { num_pending: left } = await consumer.info(); left > 0; left = (await consumer.info()).num_pending) {
    for await (const message of await consumer.fetch({ max_messages: Math.min(left, PAGE), expires: 10_000 })) {
      settlements.push(message.json<Settlement>())
    }
  }
  return settlements
}
