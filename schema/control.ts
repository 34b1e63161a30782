import { SOURCE_PATTERN } from './event-line.ts'
import type { ControlRecord } from './frame.ts'
import { checkMetric } from './metric-check.ts'
import { isName } from './subjects.ts'

const decoder = new TextDecoder('utf-8', { fatal: true })

const require = (holds: boolean, expected: string): void => {
  if (!holds) throw new Error(`expected ${expected}`)
}

const isVersion = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isDuration = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
const isSource = (value: unknown): boolean => typeof value === 'string' && SOURCE_PATTERN.test(value)

/** What a record of each kind must hold, so that whatever it changes can be folded, committed and stored. */
const CHECKS: { [K in ControlRecord['kind']]: (record: Extract<ControlRecord, { kind: K }>) => void } = {
  defineMetric: ({ tenant, metric }) => {
    require(isName(tenant), 'tenant to be a name')
    checkMetric(metric)
    require(isVersion(metric.version), 'a version of the metric')
  },
  deleteMetric: ({ tenant, name, version }) => {
    require(isName(tenant) && isName(name), 'tenant and name to be names')
    require(isVersion(version), 'a version of the metric')
  },
  tenant: ({ tenant, version, latenessHorizonMs, outOfOrdernessMs }) => {
    require(isName(tenant), 'tenant to be a name')
    require(isVersion(version), 'a version of the settings')
    require(isDuration(latenessHorizonMs) && isDuration(outOfOrdernessMs), 'durations in whole milliseconds')
  },
  tick: ({ clocks }) => {
    for (const { tenant, source, watermark } of clocks) {
      require(isName(tenant) && isSource(source), 'tenant and source of each clock')
      require(Number.isFinite(watermark), 'the watermark of each clock')
    }
  },
  marker: ({ gateway, number, sentAt }) => {
    require(typeof gateway === 'string' && gateway.length <= 128 && gateway.isWellFormed(), 'the name of a gateway')
    require(isVersion(number) && isVersion(sentAt), 'number and sentAt to be whole')
  },
}

/**
 * A control record, or why it is none. A new kind comes with a new format of frames, which is refused before it is read;
 * so one that is not known here is a mistake of whoever wrote it, and must not stop the partition.
 */
export const readControl = (data: Uint8Array): ControlRecord | string => {
  try {
    const record = JSON.parse(decoder.decode(data)) as ControlRecord
    require(Object.hasOwn(CHECKS, record?.kind), `one of the kinds ${Object.keys(CHECKS).join(', ')}`)
    const check = CHECKS[record.kind] as (record: ControlRecord) => void
    check(record)
    return record
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
