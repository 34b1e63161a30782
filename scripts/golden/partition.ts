import type { CheckpointDelta, LoadedPartition } from '#gateway/ports.ts'
import { buildBatch } from '#processors/runtime/batch.ts'
import { restoreState } from '#processors/runtime/restore.ts'
import { PartitionFold } from '#processors/windows/fold.ts'
import {
  type AggregateRow,
  type Head,
  isSessionRow,
  type LateEvent,
  type OutputRow,
  type SegmentRef,
  STATE_FORMAT,
} from '#schema/checkpoint.ts'
import type { LogMessage } from '#schema/frame.ts'
import { decodeSegment, encodeSegment } from '#schema/segment.ts'
import { mergeSegments } from '#schema/segment-merge.ts'

const SEED = Uint32Array.of(1, 2, 3, 4)
const decoder = new TextDecoder()

const lines = <T>(messages: readonly { data: Uint8Array }[]): T[] =>
  messages.flatMap(({ data }) => {
    const text = decoder.decode(data)
    return text.split('\n').map((line) => JSON.parse(line) as T)
  })

const firstHead = (partition: number): Head => ({
  format: STATE_FORMAT,
  partition,
  epoch: 1,
  owner: 'golden',
  nonce: '',
  checkpoint: 0,
  sequence: 0,
  manifest: [],
  marks: [],
})

/** What a restart finds: the segments of all checkpoints, or all of them merged into one. */
export type Restart = 'segments' | 'merged'

/** The owner of one partition with its state in memory: real fold, checkpoints and encodings; no broker, no clock. */
export const createPartition = (partition: number) => {
  const chunks = new Map<string, Uint8Array[]>()
  let fold = new PartitionFold(SEED)
  let head = firstHead(partition)

  const chunksOf = ({ id }: SegmentRef): Uint8Array[] => chunks.get(id) ?? []
  const readAll = () => mergeSegments(head.manifest.map((ref) => decodeSegment(chunksOf(ref))))
  const compact = (): void => {
    const encoded = encodeSegment(readAll())
    const ref = { id: `1-m${head.checkpoint}`, level: 1, chunks: encoded.length, bytes: 0 }
    chunks.set(ref.id, encoded)
    head = { ...head, manifest: [ref] }
  }

  return {
    apply: (message: LogMessage): void => void fold.apply(message),

    /** One checkpoint of all since the last one, as followers get it; undefined when there is nothing. */
    checkpoint(now: number): { delta: CheckpointDelta; late: LateEvent[]; bytes: string } | undefined {
      if (!fold.hasChanges) return undefined
      const sealed = fold.seal(head.checkpoint + 1, now)
      const batch = buildBatch(sealed, head, { nonce: '', manifest: head.manifest, marks: [] }, now)
      if (batch.segment) chunks.set(batch.segment.ref.id, batch.segment.chunks)
      head = batch.head
      const rows = lines<OutputRow>(batch.aggregates)
      return {
        delta: {
          settlement: batch.settlement,
          rows: rows.filter((row): row is AggregateRow => !isSessionRow(row)),
          sessions: rows.filter(isSessionRow),
        },
        late: lines<LateEvent>(batch.late),
        bytes: [...batch.aggregates, ...batch.late].map(({ data }) => decoder.decode(data)).join('\n'),
      }
    },

    /** Throws the fold away and takes the partition over anew. */
    async restart(kind: Restart): Promise<void> {
      if (kind === 'merged' && head.manifest.length > 0) compact()
      fold = new PartitionFold(SEED, head.sequence)
      const readChunk = async (ref: SegmentRef, number: number) => decodeSegment([chunksOf(ref)[number]])
      await restoreState({ readChunk }, head.manifest, fold, () => undefined)
    },

    /** As a live view loads it; null before the first checkpoint. */
    load(): LoadedPartition | null {
      if (head.checkpoint === 0) return null
      const { rows, sessions, clocks, definitions } = readAll()
      return { head, rows, sessions, clocks, definitions }
    },
  }
}

export type GoldenPartition = ReturnType<typeof createPartition>
