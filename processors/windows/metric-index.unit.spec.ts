import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compileMetric } from '#schema/compile-metric.ts'
import type { EventLine } from '#schema/event.ts'
import type { Condition, MetricDefinition } from '#schema/metric.ts'
import { ActiveMetric } from './active-metric.ts'
import { metric } from './fold-harness.ts'
import { MetricIndex } from './metric-index.ts'

const names = ['view', 'click', 'ping']
const values = ['a', 'b', 1, 0, -0, true, null, '1']
const condition: fc.Arbitrary<Condition> = fc.record({
  field: fc.constantFrom('country', 'properties.x', 'properties.y'),
  op: fc.constantFrom('EQ', 'EQ', 'NE', 'EXISTS'),
  value: fc.constantFrom<unknown>(...values),
})
const definition = fc.record({
  event: fc.constantFrom('*', 'view', 'click'),
  where: fc.array(condition, { maxLength: 3 }),
})
const value = fc.constantFrom<unknown>(undefined, ...values, [1], {})
const event = fc.record({
  name: fc.constantFrom(...names),
  country: fc.constantFrom(undefined, 'a'),
  x: value,
  y: value,
})

const isWanted = (one: MetricDefinition, line: EventLine): boolean =>
  (one.event === '*' || one.event === line.e.name) && compileMetric(one).matches(line)

test('it finds exactly the metrics that take the name of an event and whose conditions hold', () => {
  fc.assert(
    fc.property(fc.array(definition, { maxLength: 12 }), fc.array(event, { maxLength: 12 }), (shapes, events) => {
      const definitions = shapes.map((shape, i) => metric({ name: `m${i}`, ...shape }))
      const index = new MetricIndex(definitions.map((one) => new ActiveMetric(one, 0)))
      for (const { name, country, ...properties } of events) {
        const line = { country, e: { id: 'i', name, properties } } as unknown as EventLine
        const found = index.prepare(line).map((one) => one.metric.compiled.definition.name)
        const wanted = definitions.filter((one) => isWanted(one, line)).map((one) => one.name)
        expect(found.sort()).toEqual(wanted.sort())
      }
    }),
  )
})
