import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { restoreState } from '#processors/runtime/restore.ts'
import { PartitionFold } from '#processors/windows/fold.ts'
import type { Segment } from '#schema/checkpoint.ts'
import { mergeSegments } from '#schema/segment-merge.ts'
import type { BuiltState } from './state.ts'

const collect = (): void => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  gc()
}

const used = (): number => {
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** What a fold takes that was restored from this as a processor does it, bytes. */
const foldBytes = async (segment: Segment): Promise<number> => {
  const before = used()
  const fold = new PartitionFold(Uint32Array.of(1, 2, 3, 4))
  // A copy: what the fold shares with the segment is its own in a processor.
  const state = { readChunk: async () => structuredClone(segment) }
  await restoreState(state, [{ id: 'all', level: 0, chunks: 1, bytes: 0 }], fold, () => undefined)
  const bytes = used() - before
  // Kept until here.
  return fold.tenants.size > 0 ? bytes : 0
}

/** Memory of one live series and of one remembered identity in a fold. */
export const measureMemory = async ({ segments, series, ids }: BuiltState) => {
  const all = mergeSegments(segments.map(({ segment }) => segment))
  const bare = await foldBytes({ ...all, rows: [], ids: [] })
  return {
    bytesPerSeries: Math.round(((await foldBytes({ ...all, ids: [] })) - bare) / series),
    bytesPerId: Math.round(((await foldBytes({ ...all, rows: [] })) - bare) / ids),
  }
}
