import type { LateEvent, Settlement } from '#schema/checkpoint.ts'
import { decodeOutcomes } from '#schema/checkpoint.ts'
import type { CaseStep, GoldenCase } from './case-file.ts'
import { buildLog, type CaseMessage } from './case-log.ts'
import { looksAt, OUTCOMES_TITLE, type Seen, titleFor } from './expected.ts'
import { parseClock } from './parse.ts'
import { createPartition, type Restart } from './partition.ts'
import { createCatalog, createFeed, openReader } from './reader.ts'
import { renderLate } from './render.ts'
import { createWall } from './wall.ts'

export interface RunOptions {
  partitions: number
  /** Whether all partitions are taken over anew after this step, and from what. */
  restart?: (step: number) => Restart | undefined
  /** A checkpoint only before something is shown; else after every step. */
  fewCheckpoints?: boolean
  /** Somebody watches all that is asked for from the start on. */
  dashboards?: boolean
}

const outcomesOf = (log: readonly CaseMessage[], settlements: readonly Settlement[]): string[] =>
  log.flatMap(({ partition, message, events }) => {
    const settled = settlements.find(
      ({ partition: of, from, to }) => of === partition && from <= message.sequence && message.sequence <= to,
    )
    const runs = settled?.outcomes[message.sequence]
    const outcomes = runs === undefined ? events.map(() => (settled ? 'C' : 'unsettled')) : decodeOutcomes(runs)
    return events.map(({ id }, i) => `${id} ${outcomes[i]}`)
  })

/** Runs the log of a case through folds, checkpoints and gateways, and answers what is seen and written. */
export const runCase = async (
  golden: GoldenCase,
  { partitions: count, restart, fewCheckpoints = false, dashboards = false }: RunOptions,
): Promise<{ seen: Seen; outputs: string[] }> => {
  const log = buildLog(golden, count)
  const partitions = Array.from({ length: count }, (_, number) => createPartition(number))
  const { feed, give } = createFeed(partitions)
  const catalog = createCatalog()
  await catalog.define('main', golden.metrics)
  const followed = await openReader(feed, count, catalog)
  const watching = createWall(dashboards ? golden.steps : [], followed)
  const seen: Seen = {}
  const outputs: string[] = []
  const late: LateEvent[] = []
  const settlements: Settlement[] = []

  const checkpoint = async (now: number): Promise<void> => {
    for (const partition of partitions) {
      const committed = partition.checkpoint(now)
      if (!committed) continue
      settlements.push(committed.delta.settlement)
      late.push(...committed.late)
      outputs.push(committed.bytes)
      give(committed.delta)
    }
    await watching.pull()
  }
  const look = async (index: number, step: CaseStep): Promise<void> => {
    if ('late' in step) seen[titleFor(index, step)] = late.map(renderLate)
    if ('watermark' in step) seen[titleFor(index, step)] = [String(followed.watermark(step.tenant))]
    if (!('show' in step)) return
    const loaded = await openReader(feed, count, catalog)
    seen[titleFor(index, step, 'followed')] = await followed.points(step)
    seen[titleFor(index, step, 'loaded')] = await loaded.points(step)
    if (dashboards) seen[titleFor(index, step, 'pushed')] = watching.points(step)
    await loaded.close()
  }
  const apply = (messages: readonly CaseMessage[]): void => {
    for (const { partition, message } of messages) partitions[partition].apply(message)
  }

  apply(log[0])
  let now = parseClock('00:00')
  for (const [index, step] of golden.steps.entries()) {
    if ('at' in step) now = parseClock(step.at)
    apply(log[index + 1])
    await catalog.step(step)
    const looks = looksAt(step, count)
    if (looks || !fewCheckpoints) await checkpoint(now)
    if (looks) await look(index, step)
    const kind = restart?.(index)
    if (kind) for (const partition of partitions) await partition.restart(kind)
  }
  await checkpoint(now)
  await watching.close()
  await followed.close()
  seen[OUTCOMES_TITLE] = outcomesOf(log.flat(), settlements)
  return { seen, outputs }
}
