import '#infra/compose/heap.ts'
import type { FoldAnswer, FoldQuestion } from './fold-process.ts'
import { foldAll, openPartitions, parseAll, type Stage } from './fold-run.ts'
import { type Frames, readFrames } from './frames.ts'
import { countSeries } from './preload.ts'

/** Processor time of this process that a call takes, microseconds: all threads, so collecting garbage is in it. */
const cpuOf = <T>(call: () => T): { us: number; result: T } => {
  globalThis.gc?.()
  const before = process.cpuUsage()
  const result = call()
  const { user, system } = process.cpuUsage(before)
  return { us: user + system, result }
}

const runStage = (logs: readonly Frames[], stage: Stage, question: FoldQuestion) => {
  const { metrics, preload, checkpointEvents = 'owner' } = question
  if (stage === 'parse') {
    const { us, result } = cpuOf(() => parseAll(logs))
    return { us, events: result }
  }
  const partitions = openPartitions(logs, { metrics: stage === 'duplicates' ? [] : metrics, preload })
  const { us, result } = cpuOf(() => foldAll(partitions, stage === 'checkpoint' ? checkpointEvents : 'none'))
  const { folds, ...run } = result
  return { us, ...run, series: countSeries(folds) }
}

const answer = async (question: FoldQuestion): Promise<FoldAnswer> => {
  const logs = await readFrames(question.path, question.partitions, question.frameEvents)
  const stages: FoldAnswer['stages'] = {}
  let last: Partial<FoldAnswer> = {}
  for (const stage of question.stages) {
    // The first round warms the compiler up, as a processor is that has been at work for a while.
    const rounds = Array.from({ length: question.rounds + 1 }, () => runStage(logs, stage, question)).slice(1)
    stages[stage] = rounds.map(({ us, events }) => us / events)
    last = rounds[rounds.length - 1]
  }
  const { series = 0, rows = 0, bytes = 0, checkpoints = 0, events = 0 } = last
  return { stages, series, rows, bytes, checkpoints, events }
}

process.once('message', (question: FoldQuestion) => {
  void answer(question).then((result) => process.send!(result, () => process.disconnect()))
})
