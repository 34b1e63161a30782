import type { CaseMetric, CaseStep, GoldenCase } from './case-file.ts'

/** What stands left, and what beside it, one below the other. */
interface Block {
  label: string
  lines: string[]
  note?: string
}

const conditions = (where: CaseMetric['where'] = []): string =>
  where.length === 0
    ? ''
    : ` where ${where.map(([field, op, value]) => `${field} ${op} ${JSON.stringify(value)}`).join(', ')}`

const grouping = (by: string[]): string => (by.length === 0 ? '' : ` by ${by.join(', ')}`)

const metricText = (name: string, { event, where, measure, by, windows, sessionGap, version }: CaseMetric): string =>
  `${name} = ${measure}${event === '*' ? '' : ` of ${event}`}${sessionGap ? ` with gap ${sessionGap}` : ''}` +
  `${conditions(where)}${grouping(by)} in ${windows.join(', ')}${version > 1 ? `, version ${version}` : ''}`

const metricsBlock = (metrics: GoldenCase['metrics'], note?: string): Block => ({
  label: 'metric',
  lines: Object.entries(metrics).map(([name, metric]) => metricText(name, metric)),
  note,
})

/** `a 10:00:01, b 10:00:02` as far as they fit, then the next line. */
const joined = (texts: readonly string[]): string[] => {
  const lines: string[] = []
  for (const text of texts) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + text.length < 70) lines[lines.length - 1] = `${last}, ${text}`
    else lines.push(text)
  }
  return lines
}

const or = (lines: string[], none: string): string[] => (lines.length > 0 ? lines : [none])

const blockOf = (step: CaseStep): Block => {
  const { note } = step
  if ('events' in step) return { label: step.at, lines: joined(step.events), note }
  if ('lines' in step) return { label: step.at, lines: step.lines, note }
  if ('tick' in step) {
    const of = step.key ? ` for the partition of ${step.key}` : ''
    return { label: step.at, lines: [`tick of ${step.source} to ${step.tick}${of}`], note }
  }
  if ('define' in step) return metricsBlock(step.define, note)
  if ('delete' in step) return { label: 'metric', lines: [`${step.delete} deleted`], note }
  if ('settings' in step) {
    const { horizon, outOfOrderness } = step.settings
    return { label: 'tenant', lines: [`horizon ${horizon}, out of order by ${outOfOrderness}`], note }
  }
  if ('late' in step) return { label: 'late', lines: or(step.late, 'nothing'), note }
  if ('watermark' in step) return { label: 'watermark', lines: [step.watermark ?? 'none'], note }
  const { show, by, where, is } = step
  return { label: `${show}${by ? grouping(by) || ' in all' : ''}${conditions(where)}`, lines: or(is, 'no point'), note }
}

const tenantOf = (step: CaseStep): string => ('tenant' in step && step.tenant !== 'main' ? `${step.tenant}: ` : '')
const partitionsOf = (step: CaseStep): string =>
  'partitions' in step && step.partitions !== undefined ? ` (P = ${step.partitions})` : ''

/** Longer labels have a line of their own. */
const WIDEST = 20

/** A case for people: times and events on the left and right, what is shown, one line a point. Notes stand behind #. */
export const caseText = (golden: GoldenCase): string => {
  const steps = golden.steps.map((step) => {
    const block = blockOf(step)
    return { ...block, label: `${tenantOf(step)}${block.label}${partitionsOf(step)}` }
  })
  const blocks = Object.keys(golden.metrics).length > 0 ? [metricsBlock(golden.metrics), ...steps] : steps
  const width = Math.max(...blocks.map(({ label }) => (label.length <= WIDEST ? label.length : 0))) + 2
  return blocks
    .flatMap(({ label, lines, note }) => {
      const [first, ...rest] = lines
      const noted = [note ? `${first}   # ${note}` : first, ...rest]
      const [left, alone] = label.length <= WIDEST ? [label, []] : ['', [label]]
      return [...alone, ...noted.map((line, i) => `${(i === 0 ? left : '').padEnd(width)}${line}`)]
    })
    .join('\n')
}
