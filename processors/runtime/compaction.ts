import type { Segment, SegmentRef } from '#schema/checkpoint.ts'
import { encodeSegment } from '#schema/segment.ts'
import { type Keep, mergeSegments } from '#schema/segment-merge.ts'
import type { StateStore } from '../ports.ts'
import { readAll } from './restore.ts'

/** Checkpoints that are merged into one segment, and segments of each higher level that are. */
const FIRST_LEVEL = 32
const HIGHER_LEVELS = 8

interface Merged {
  from: readonly SegmentRef[]
  to: SegmentRef
  /** Everything of the level that was written before this stream sequence is merged. */
  before: number
}

/**
 * Keeps the manifest short: all segments of a level become one of the next, beside the checkpoints and never in their
 * way. The merged segment counts from the checkpoint on whose head names it; until then a crash leaves only an orphan.
 */
export const createCompaction = (
  state: StateStore,
  /** The own epoch, and the head's revision when it was taken: every segment found then was written before. */
  claimed: { epoch: number; revision: number },
  keep: Keep,
) => {
  /** Decoded segments of level 0 and where the stream stood when each was committed. */
  const recent = new Map<string, { segment: Segment; revision: number }>()
  /** Stream sequence after each segment that was merged here. */
  const writtenAt = new Map<string, number>()
  let merging: Promise<void> | undefined
  let dropping = Promise.resolve()
  let merged: Merged | undefined
  let count = 0

  const merge = async (refs: readonly SegmentRef[], level: number, before: number): Promise<void> => {
    const segment = mergeSegments(await readAll(state, refs, (ref) => recent.get(ref.id)?.segment), keep)
    const chunks = encodeSegment(segment)
    const to: SegmentRef = {
      id: `${claimed.epoch}-m${++count}`,
      level: level + 1,
      chunks: chunks.length,
      bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    }
    writtenAt.set(to.id, (await state.writeSegment(to, chunks)) + 1)
    merged = { from: refs, to, before }
  }

  /** The lowest level that has enough segments, or none. */
  const due = (manifest: readonly SegmentRef[]): SegmentRef[] | undefined => {
    const levels = new Set(manifest.map(({ level }) => level))
    for (const level of [...levels].sort((a, b) => a - b)) {
      const refs = manifest.filter((ref) => ref.level === level)
      if (refs.length >= (level === 0 ? FIRST_LEVEL : HIGHER_LEVELS)) return refs
    }
    return undefined
  }

  return {
    /** The manifest for the next head: with what was merged meanwhile. */
    apply(manifest: readonly SegmentRef[]): SegmentRef[] {
      if (!merged) return [...manifest]
      const gone = new Set(merged.from.map(({ id }) => id))
      const rest = manifest.filter(({ id }) => !gone.has(id))
      const { to } = merged
      // Oldest first: behind what is as old or older, before everything newer.
      const at = rest.findIndex(({ level }) => level < to.level)
      return at < 0 ? [...rest, to] : [...rest.slice(0, at), to, ...rest.slice(at)]
    },
    /** A checkpoint is committed: its head names what `apply` had answered. */
    committed(manifest: readonly SegmentRef[], segment: Segment | null, revision: number): void {
      const last = manifest.at(-1)
      if (segment && last) recent.set(last.id, { segment, revision })
      if (merged && manifest.some(({ id }) => id === merged?.to.id)) {
        const { from, before } = merged
        merged = undefined
        for (const { id } of from) {
          recent.delete(id)
          writtenAt.delete(id)
        }
        // Not awaited, and trouble costs only space: the next owner removes what no manifest names.
        dropping = state.dropLevel(from[0].level, before).catch(() => undefined)
      }
      if (merging || merged) return
      const refs = due(manifest)
      if (!refs) return
      const before = Math.max(
        ...refs.map(({ id }) => recent.get(id)?.revision ?? writtenAt.get(id) ?? claimed.revision),
      )
      merging = merge(refs, refs[0].level, before).finally(() => {
        merging = undefined
      })
      // Trouble here costs nothing but a longer manifest; the next checkpoint tries again.
      merging.catch(() => undefined)
    },
    /** Waits for what is under way. */
    async settle(): Promise<void> {
      await merging?.catch(() => undefined)
      await dropping
    },
  }
}
