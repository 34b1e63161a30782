import type { Broker } from '#infra/nats/broker.ts'
import { consumeOnce, pause } from '#infra/nats/follow.ts'
import type { Head } from '#schema/checkpoint.ts'
import { HEAD_KEY, settledSubject, stateKey, stateStream } from '#schema/subjects.ts'
import { type Settled, toSettled } from './settled.ts'

const RETRY_MS = 200

export interface StoredHead extends Pick<Head, 'sequence' | 'checkpoint'> {
  /** Where it stands in its stream. */
  at: number
}

/** Null while no processor has ever owned the partition. */
export const readHead = async (broker: Broker, partition: number): Promise<StoredHead | null> => {
  const message = await broker.last(stateStream(partition), stateKey(partition, HEAD_KEY))
  if (!message) return null
  const { sequence, checkpoint } = JSON.parse(new TextDecoder().decode(message.data)) as Head
  return { sequence, checkpoint, at: message.seq }
}

/**
 * Settlements behind a place, in order and each once, until aborted. `isNext` is false where those between have expired
 * before they came here.
 */
export async function* followSettlements(
  broker: Broker,
  partition: number,
  behind: { at: number; checkpoint: number },
  signal: AbortSignal,
): AsyncGenerator<{ settled: Settled; isNext: boolean }> {
  const stream = stateStream(partition)
  const subject = settledSubject(partition)
  let { at, checkpoint } = behind
  while (!signal.aborted) {
    const from = async () => ({ start: at + 1, filters: [subject] })
    for await (const message of consumeOnce(broker, stream, from, signal)) {
      const settled = toSettled(message)
      const number = settled.settlement.checkpoint
      if (number <= checkpoint) continue
      if (number > checkpoint + 1) {
        // Was it left out on the way, or is it gone? The leader knows.
        const next = await broker.next(stream, subject, at + 1).catch(() => null)
        if (next?.seq !== message.seq) break
      }
      yield { settled, isNext: number === checkpoint + 1 }
      at = message.seq
      checkpoint = number
    }
    await pause(RETRY_MS, signal)
  }
}
