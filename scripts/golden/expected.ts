import type { CaseStep, GoldenCase } from './case-file.ts'
import { buildLog } from './case-log.ts'
import { OUTCOMES } from './parse.ts'

/** What a run showed, or what a case expects: by step and what was asked there. */
export type Seen = Record<string, string[]>

/** Whether something is shown at this step with so many partitions. */
export const looksAt = (step: CaseStep, partitions: number): boolean =>
  ('show' in step || 'late' in step || 'watermark' in step) &&
  (!('partitions' in step) || step.partitions === undefined || step.partitions === partitions)

const titleOf = (step: CaseStep): string => {
  if ('show' in step) return [step.show, ...(step.tenant === 'main' ? [] : [step.tenant]), ...(step.by ?? [])].join(' ')
  return 'late' in step ? 'late' : 'watermark'
}

/**
 * Who reads a point: a gateway that has followed since the start, one that has just loaded, and a dashboard that keeps
 * what it is pushed.
 */
export type Reader = 'followed' | 'loaded' | 'pushed'

export const titleFor = (index: number, step: CaseStep, reader?: Reader): string =>
  [`step ${index + 1}, ${titleOf(step)}`, ...(reader ? [reader] : [])].join(', ')

/** What is taken back is pushed; whoever asks gets what is there. */
const pointsFor = (reader: Reader, is: string[]): string[] =>
  reader === 'pushed' ? is : is.filter((point) => !point.includes(' RETRACTED'))

/** What became of the events of the case, beside what its steps ask for. */
export const OUTCOMES_TITLE = 'what became of the events'

/** What the case says must be seen. */
export const expectedOf = (golden: GoldenCase, partitions: number, dashboards: boolean): Seen => {
  const seen: Seen = {}
  for (const [index, step] of golden.steps.entries()) {
    if (!looksAt(step, partitions)) continue
    if ('late' in step) seen[titleFor(index, step)] = step.late
    if ('watermark' in step) seen[titleFor(index, step)] = [String(step.watermark)]
    if (!('show' in step)) continue
    for (const reader of readersOf(dashboards)) seen[titleFor(index, step, reader)] = pointsFor(reader, step.is)
  }
  seen[OUTCOMES_TITLE] = buildLog(golden, partitions)
    .flat()
    .flatMap(({ events }) => events.map(({ id, becomes }) => `${id} ${OUTCOMES[becomes]}`))
  return seen
}

const readersOf = (dashboards: boolean): Reader[] =>
  dashboards ? ['followed', 'loaded', 'pushed'] : ['followed', 'loaded']
