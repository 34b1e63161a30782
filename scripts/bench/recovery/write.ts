import { randomUUID } from 'node:crypto'
import type { Nats } from '#infra/nats/connect.ts'
import { createStateStore } from '#infra/nats/state.ts'
import { type SegmentRef, STATE_FORMAT } from '#schema/checkpoint.ts'
import { encodeSegment } from '#schema/segment.ts'
import type { BuiltState } from './state.ts'

/** Writes the same state for every partition, as a former owner has left it. Answers its bytes, all together. */
export const writeState = async (nats: Nats, partitions: number, { segments, checkpoints }: BuiltState) => {
  const encoded = segments.map(({ level, segment }, i) => {
    const chunks = encodeSegment(segment)
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    const ref: SegmentRef = { id: `0-${level}-${i}`, level, chunks: chunks.length, bytes }
    return { ref, chunks }
  })
  const write = async (partition: number): Promise<void> => {
    const store = createStateStore(nats.broker, partition)
    for (const { ref, chunks } of encoded) await store.writeSegment(ref, chunks)
    const head = {
      format: STATE_FORMAT,
      partition,
      epoch: 1,
      owner: 'bench',
      nonce: randomUUID(),
      checkpoint: checkpoints,
      sequence: 0,
      manifest: encoded.map(({ ref }) => ref),
      marks: [],
    }
    await store.claim(head, (await store.head()).revision)
  }
  for (let partition = 0; partition < partitions; partition++) await write(partition)
  return partitions * encoded.reduce((sum, { ref }) => sum + ref.bytes, 0)
}
