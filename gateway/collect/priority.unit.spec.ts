import { expect, test } from 'vitest'
import { BUILTIN_SCHEMAS } from '#schema/builtin-schemas.ts'
import { createPriorities } from './priority.ts'

const prioritiesOf = (high: string[], low: string[], ...names: string[]) => {
  const priorityOf = createPriorities({ schemas: BUILTIN_SCHEMAS, high, low })
  return names.map((name) => priorityOf('main', name))
}

test('a conversion goes first, a ping last, and all others are in between', () => {
  const names = ['conversion', 'ping', 'page_view', 'click', 'whatever', 'constructor']
  expect(prioritiesOf([], [], ...names)).toEqual(['HIGH', 'LOW', 'NORMAL', 'NORMAL', 'NORMAL', 'NORMAL'])
})

test("the operator's word counts before that of the schema", () => {
  const names = ['order', 'ping', 'scroll', 'click', 'conversion']
  expect(prioritiesOf(['order', 'ping'], ['scroll', 'click'], ...names)).toEqual(['HIGH', 'HIGH', 'LOW', 'LOW', 'HIGH'])
})
