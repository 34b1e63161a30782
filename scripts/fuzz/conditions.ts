import { compileMetric } from '#schema/compile-metric.ts'
import { type EventLine, fieldReader } from '#schema/event.ts'
import type { Condition, ConditionOp, MetricDefinition } from '#schema/metric.ts'
import { checkMetric } from '#schema/metric-check.ts'
import type { EventsQuery, OlapReader } from '#schema/olap.ts'
import { type Finding, shown } from './finding.ts'
import { COMMON_KEYS } from './json-text.ts'

const FIELDS = [
  ...COMMON_KEYS.map((key) => `properties.${key}`),
  'properties.a.b',
  'properties.a.0',
  'properties.a.length',
  'context.a',
  'userId',
  'sessionId',
]
/** Values of one field that are asked for: more would ask the same again. */
const VALUES_OF_FIELD = 4

const asMetric = (where: Condition[]): MetricDefinition => ({
  name: 'asked',
  event: '*',
  where,
  measure: { kind: 'COUNT' },
  dimensions: [],
  windows: [{ kind: 'TUMBLING', sizeMs: 60_000 }],
  version: 1,
})

const isAllowed = (condition: Condition): boolean => {
  try {
    checkMetric(asMetric([condition]))
    return true
  } catch {
    return false
  }
}

/** Conditions on what the events hold, so that each is met by some of them. */
const conditionsOn = (lines: readonly EventLine[], field: string): Condition[] => {
  const read = fieldReader(field)
  const values = new Set(lines.map(read).filter((value) => typeof value !== 'object' || value === null))
  const few = [...values].filter((value) => value !== undefined).slice(-VALUES_OF_FIELD)
  const of = (op: ConditionOp, value: unknown): Condition => ({ field, op, value })
  return [
    of('EXISTS', true),
    of('EXISTS', false),
    of('IN', few),
    ...few.flatMap((value) => [
      of('EQ', value),
      of('NE', value),
      of('LT', value),
      of('GE', value),
      ...(typeof value === 'string' ? [of('CONTAINS', [...value].slice(0, 2).join(''))] : []),
    ]),
  ].filter(isAllowed)
}

const nameOf = (key: string, id: string): string => JSON.stringify([key, id])

const askStore = async (olap: OlapReader, tenant: string, where: Condition[]): Promise<string[]> => {
  const query: EventsQuery = { tenant, from: 0, to: 253_402_300_799_999, where, first: 10_000 }
  return (await olap.events(query)).nodes.map(({ sessionId, id }) => nameOf(sessionId, id)).sort()
}

/** Metrics and the store must say the same of every condition. */
export const checkConditions = async (
  olap: OlapReader,
  tenant: string,
  lines: readonly EventLine[],
): Promise<Finding[]> => {
  const findings: Finding[] = []
  for (const condition of FIELDS.flatMap((field) => conditionsOn(lines, field))) {
    const { matches } = compileMetric(asMetric([condition]))
    const counted = lines
      .filter(matches)
      .map(({ key, e }) => nameOf(key, e.id))
      .sort()
    const found = await askStore(olap, tenant, [condition]).catch((error: Error) => [error.message])
    if (counted.join() === found.join()) continue
    const [more, less] = [found.filter((one) => !counted.includes(one)), counted.filter((one) => !found.includes(one))]
    const sample = lines.find(({ key, e }) => [...more, ...less].includes(nameOf(key, e.id)))
    findings.push({
      check: 'condition',
      detail: `${shown(condition)}: the store has ${more.length} more, ${less.length} less: ${shown(sample && (fieldReader(condition.field)(sample) ?? null))} of ${shown(sample ?? null)}`,
    })
  }
  return findings
}
