import { expect, test } from 'vitest'
import { type JsonObject, readSpecs, withOptions } from './specs.ts'

const { supervisors, rules, compaction } = await readSpecs()
const TABLES = ['hourly_aggs', 'minly_aggs', 'raw_events', 'session_aggs']

type Supervisor = { spec: Record<string, JsonObject>; context?: JsonObject }

test('each table has a supervisor of its own name, rules and compaction', () => {
  for (const files of [supervisors, rules, compaction]) expect(Object.keys(files).toSorted()).toEqual(TABLES)
  for (const table of TABLES) {
    expect((supervisors[table] as Supervisor).spec.dataSchema.dataSource).toBe(table)
    expect(compaction[table].dataSource).toBe(table)
  }
})

test.each(TABLES)('%s reads lines one by one, from the start, and may be expired and filled again', (table) => {
  const { spec, context } = supervisors[table] as Supervisor
  expect(spec.ioConfig.inputFormat).toMatchObject({ valueFormat: { type: 'json', assumeNewlineDelimited: true } })
  expect(spec.ioConfig.useEarliestOffset).toBe(true)
  // Segments of concurrent locks have one version for ever: what comes after an expiry would have the names of what went.
  expect(context?.useConcurrentLocks).toBeUndefined()
  expect(compaction[table].taskContext).toBeUndefined()
})

test('options go where Druid reads them, and each change has another mark', () => {
  const at = { kafka: 'kafka:9092' }
  const made = withOptions(supervisors.raw_events, { ...at, tasks: 3, consumer: { 'security.protocol': 'SSL' } })
  expect((made as Supervisor).spec.ioConfig).toMatchObject({
    taskCount: 3,
    replicas: 1,
    consumerProperties: { 'bootstrap.servers': 'kafka:9092', 'security.protocol': 'SSL' },
  })
  const marks = [at, { ...at, tasks: 2 }, { kafka: 'other:9092' }, { ...at, period: 'PT5S' }].map(
    (options) => (withOptions(supervisors.raw_events, options) as Supervisor).context?.millrace,
  )
  expect(new Set(marks).size).toBe(4)
  expect((withOptions(supervisors.raw_events, at) as Supervisor).context?.millrace).toBe(marks[0])
})
