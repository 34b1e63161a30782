import type { LateEvent, Settlement } from '#schema/checkpoint.ts'
import { decodeOutcomes } from '#schema/checkpoint.ts'
import type { CaseStep, GoldenCase } from './case-file.ts'
import { buildLog, type CaseMessage } from './case-log.ts'
import { OUTCOMES, parseClock } from './parse.ts'
import { createPartition, type Restart } from './partition.ts'
import { createCatalog, createFeed, type GoldenReader, openReader } from './reader.ts'
import { renderLate } from './render.ts'

export interface RunOptions {
  partitions: number
  /** Whether all partitions are taken over anew after this step, and from what. */
  restart?: (step: number) => Restart | undefined
  /** A checkpoint only before something is shown; else after every step. */
  fewCheckpoints?: boolean
}

/** What a run showed, or what a case expects: by step and what was asked there. */
export type Seen = Record<string, string[]>

const asks = (step: CaseStep): boolean => 'show' in step || 'late' in step || 'watermark' in step

const holdsFor = (step: CaseStep, partitions: number): boolean =>
  !('partitions' in step) || step.partitions === undefined || step.partitions === partitions

const titleOf = (step: CaseStep): string => {
  if ('show' in step) return [step.show, ...(step.tenant === 'main' ? [] : [step.tenant]), step.by ?? []].join(' ')
  return 'late' in step ? 'late' : 'watermark'
}

/** Whether it is read by a gateway that has followed since the start, or by one that has just loaded. */
const READERS = ['followed', 'loaded'] as const

/** What the case says must be seen. */
export const expectedOf = (golden: GoldenCase, partitions: number): Seen => {
  const seen: Seen = {}
  for (const [index, step] of golden.steps.entries()) {
    if (!asks(step) || !holdsFor(step, partitions)) continue
    const title = `step ${index + 1}, ${titleOf(step)}`
    if ('late' in step) seen[title] = step.late
    else if ('show' in step) for (const reader of READERS) seen[`${title}, ${reader}`] = step.is
    else if ('watermark' in step) for (const reader of READERS) seen[`${title}, ${reader}`] = [String(step.watermark)]
  }
  seen['what became of the events'] = buildLog(golden, partitions)
    .flat()
    .flatMap(({ events }) => events.map(({ id, becomes }) => `${id} ${OUTCOMES[becomes]}`))
  return seen
}

const ask = async (step: CaseStep, reader: GoldenReader): Promise<string[]> => {
  if ('show' in step) return reader.points(step)
  return 'watermark' in step ? [String(reader.watermark(step.tenant))] : []
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
  { partitions: count, restart, fewCheckpoints = false }: RunOptions,
): Promise<{ seen: Seen; outputs: string[] }> => {
  const log = buildLog(golden, count)
  const partitions = Array.from({ length: count }, (_, number) => createPartition(number))
  const { feed, give } = createFeed(partitions)
  const catalog = createCatalog()
  await catalog.define('main', golden.metrics)
  const followed = await openReader(feed, count, catalog)
  const seen: Seen = {}
  const outputs: string[] = []
  const late: LateEvent[] = []
  const settlements: Settlement[] = []

  const checkpoint = (now: number): void => {
    for (const partition of partitions) {
      const committed = partition.checkpoint(now)
      if (!committed) continue
      settlements.push(committed.delta.settlement)
      late.push(...committed.late)
      outputs.push(committed.bytes)
      give(committed.delta)
    }
  }
  const look = async (index: number, step: CaseStep): Promise<void> => {
    const title = `step ${index + 1}, ${titleOf(step)}`
    if ('late' in step) {
      seen[title] = late.map(renderLate)
      return
    }
    const loaded = await openReader(feed, count, catalog)
    seen[`${title}, followed`] = await ask(step, followed)
    seen[`${title}, loaded`] = await ask(step, loaded)
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
    const looks = asks(step) && holdsFor(step, count)
    if (looks || !fewCheckpoints) checkpoint(now)
    if (looks) await look(index, step)
    const kind = restart?.(index)
    if (kind) for (const partition of partitions) await partition.restart(kind)
  }
  checkpoint(now)
  await followed.close()
  seen['what became of the events'] = outcomesOf(log.flat(), settlements)
  return { seen, outputs }
}
