import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { BuiltinSchema } from '#schema/builtin-schemas.ts'
import type { ClientEvent } from '#schema/event.ts'
import { describe, type EventProblem, shorten } from './verdict.ts'

/** Checks an event's properties; answers the version of the schema that it meets (0: the name has none), or why not. */
export type SchemaCheck = (event: ClientEvent) => number | EventProblem

/** Compiles the schemas once. Events whose name has none are taken as they are. */
export const createSchemaCheck = (schemas: readonly BuiltinSchema[]): SchemaCheck => {
  const ajv = new Ajv2020({ strict: true, allErrors: false, verbose: true, messages: true })
  const byName = new Map(schemas.map((schema) => [schema.name, { schema, validate: ajv.compile(schema.jsonSchema) }]))
  return (event) => {
    const entry = byName.get(event.name)
    if (!entry) return 0
    const { version } = entry.schema
    if (event.schemaVersion !== undefined && event.schemaVersion !== version) {
      return {
        code: 'SCHEMA_UNKNOWN',
        path: '/schemaVersion',
        message: `expected version ${version}, the only one of ${event.name}, found ${event.schemaVersion}. Leave schemaVersion out or send ${version}.`,
      }
    }
    return entry.validate(event.properties ?? {}) ? version : violation(event.name, version, entry.validate)
  }
}

const violation = (name: string, version: number, validate: ValidateFunction): EventProblem => {
  const error = validate.errors![0] as ErrorObject
  return {
    code: 'SCHEMA_VIOLATION',
    path: shorten(`/properties${error.instancePath}`, 256),
    message: `${name} version ${version}: ${error.message}, found ${describe(error.data)}. Correct the property.`,
  }
}
