/**
 * What goes first when there is more than can be taken: of LOW events a share is kept under load shedding, HIGH ones have
 * room reserved for them and are never shed.
 */
export type Priority = 'HIGH' | 'NORMAL' | 'LOW'

/** A JSON Schema (draft 2020-12) of an event's properties. */
export interface BuiltinSchema {
  name: string
  version: number
  priority: Priority
  jsonSchema: Record<string, unknown>
}

const text = { type: 'string' }

const define = (name: string, properties: Record<string, unknown>, priority: Priority = 'NORMAL'): BuiltinSchema => ({
  name,
  version: 1,
  priority,
  jsonSchema: {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `millrace:${name}:1`,
    type: 'object',
    properties,
  },
})

/** Events that every tenant has from the start. Further properties are welcome; the named ones keep their types. */
export const BUILTIN_SCHEMAS: readonly BuiltinSchema[] = [
  define('page_view', {
    path: text,
    title: text,
    referrer: text,
    method: text,
    status: { type: 'integer', minimum: 100, maximum: 599 },
    bytes: { type: 'integer', minimum: 0 },
  }),
  define('click', { path: text, target: text }),
  define(
    'conversion',
    {
      amount: { type: 'number' },
      currency: { type: 'string', pattern: '^[A-Z]{3}$' },
      items: { type: 'integer', minimum: 0 },
    },
    'HIGH',
  ),
  define('ping', {}, 'LOW'),
]
