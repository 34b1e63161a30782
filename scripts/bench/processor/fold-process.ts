import type { MetricDefinition } from '#schema/metric.ts'
import { askProcess } from './ask.ts'
import type { Stage } from './fold-run.ts'

/** What a process of its own is to fold. */
export interface FoldQuestion {
  /** File of lines. */
  path: string
  partitions: number
  frameEvents: number
  metrics: readonly MetricDefinition[]
  /** Series in memory beforehand. */
  preload: number
  /** A partition seals after so many events of its own; without it as often as it would at the goal's rate. */
  checkpointEvents?: number
  /** Each is measured by itself: `parse` reads only, `checkpoint` does everything. */
  stages: readonly Stage[]
  /** Counted ones; another goes before. */
  rounds: number
  /** Folder of a CPU profile. */
  profile?: string
}

/** Microseconds of processor time per event, by stage and round; the rest is of the last round of the last stage. */
export interface FoldAnswer {
  stages: Partial<Record<Stage, number[]>>
  /** In memory at the end. */
  series: number
  /** Of all checkpoints. */
  rows: number
  bytes: number
  checkpoints: number
  events: number
}

/** Folds in a process that has done nothing else. */
export const foldInProcess = (question: FoldQuestion): Promise<FoldAnswer> => {
  const profiled = question.profile ? ['--cpu-prof', `--cpu-prof-dir=${question.profile}`] : []
  return askProcess('fold.main.ts', question, profiled)
}
