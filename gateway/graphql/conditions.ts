import { MillraceError } from '#schema/errors.ts'
import { isField, PLAIN_FIELDS } from '#schema/event.ts'
import type { Condition } from '#schema/metric.ts'
import type { Builder } from './builder.ts'

export const addConditions = (builder: Builder) => {
  const op = builder.enumType('ConditionOp', {
    values: ['EQ', 'NE', 'LT', 'LE', 'GT', 'GE', 'IN', 'CONTAINS', 'EXISTS'] as const,
  })
  const input = builder.inputType('ConditionInput', {
    fields: (t) => ({
      field: t.string({ required: true }),
      op: t.field({ type: op, required: true }),
      value: t.field({ type: 'JSON', required: true }),
    }),
  })
  const output = builder.objectRef<Condition>('Condition').implement({
    fields: (t) => ({
      field: t.exposeString('field'),
      op: t.expose('op', { type: op }),
      value: t.expose('value', { type: 'JSON' }),
    }),
  })
  return { input, output }
}

export type Conditions = ReturnType<typeof addConditions>

export interface ConditionInput {
  field: string
  op: Condition['op']
  value?: unknown
}

export const toConditions = (conditions: readonly ConditionInput[] | null | undefined): Condition[] =>
  (conditions ?? []).map(({ field, op, value }) => ({ field, op, value }))

/** Throws BAD_INPUT when a condition reads what no event has. */
export const requireFields = (conditions: readonly Condition[]): readonly Condition[] => {
  for (const { field } of conditions) {
    if (isField(field)) continue
    throw new MillraceError(
      'BAD_INPUT',
      `where: ${JSON.stringify(field.slice(0, 100))} is not a field of events; ` +
        `use one of ${PLAIN_FIELDS.join(', ')}, properties.<path> or context.<path>`,
    )
  }
  return conditions
}
