import type { Settlement } from '#schema/checkpoint.ts'
import { settledSubject, stateStream } from '#schema/subjects.ts'
import type { Broker, StoredMessage } from './broker.ts'

const decoder = new TextDecoder()

export const readSettlement = ({ data }: StoredMessage): Settlement => JSON.parse(decoder.decode(data)) as Settlement

/**
 * Stream sequence behind the last settlement for which `isBefore` holds. Binary search: numbers and places of
 * settlements grow with the sequence.
 */
export const behindSettlements = async (
  broker: Broker,
  partition: number,
  isBefore: (message: StoredMessage) => boolean,
): Promise<number> => {
  const stream = stateStream(partition)
  const { first, last } = await broker.range(stream)
  let low = Math.max(1, first)
  let start = low
  let high = last
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const message = await broker.next(stream, settledSubject(partition), middle)
    if (message && isBefore(message)) {
      start = message.seq + 1
      low = message.seq + 1
    } else high = middle - 1
  }
  return start
}

/** The settlement of a message of the log; null while there is none. */
export const settlementOf = async (broker: Broker, partition: number, sequence: number): Promise<Settlement | null> => {
  const start = await behindSettlements(broker, partition, (message) => readSettlement(message).to < sequence)
  const message = await broker.next(stateStream(partition), settledSubject(partition), start)
  const settlement = message && readSettlement(message)
  return settlement && settlement.from <= sequence ? settlement : null
}
