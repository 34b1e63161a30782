import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import type { BuiltinSchema } from '#schema/builtin-schemas.ts'
import type { ClientEvent } from '#schema/event.ts'
import { NAME_PATTERN } from '#schema/subjects.ts'
import { createBoundedCache } from './bounded-cache.ts'
import { compilePlain, type PlainCheck } from './plain/schema.ts'
import { describe, type EventProblem, shorten } from './verdict.ts'

/** Checks an event's properties; answers the version of the schema that it meets (0: the name has none), or why not. */
export type EventCheck = (event: ClientEvent) => number | EventProblem

export interface SchemaCheck extends EventCheck {
  /** How plain events of this name are checked. Null: not without parsing them, or it is no name. */
  plain(name: string): PlainSchema | null
}

export interface PlainSchema {
  version: number
  check: PlainCheck
}

const CACHED_NAMES = 1_000
const NO_SCHEMA: PlainSchema = { version: 0, check: () => true }

/** Compiles the schemas once. Events whose name has none are taken as they are. */
export const createSchemaCheck = (schemas: readonly BuiltinSchema[]): SchemaCheck => {
  const ajv = new Ajv2020({ strict: true, allErrors: false, verbose: true, messages: true })
  const byName = new Map(schemas.map((schema) => [schema.name, { schema, validate: ajv.compile(schema.jsonSchema) }]))
  const plain = new Map(schemas.map((schema) => [schema.name, toPlain(schema)]))
  const check = (event: ClientEvent): number | EventProblem => {
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
  const plainOf = (name: string): PlainSchema | null => {
    if (!NAME_PATTERN.test(name)) return null
    return plain.has(name) ? (plain.get(name) ?? null) : NO_SCHEMA
  }
  // Names come from outside, and again and again.
  const names = createBoundedCache<PlainSchema | null>(CACHED_NAMES)
  return Object.assign(check, { plain: (name: string) => names.get(name, plainOf) })
}

const toPlain = (schema: BuiltinSchema): PlainSchema | null => {
  const check = compilePlain(schema)
  return check && { version: schema.version, check }
}

const violation = (name: string, version: number, validate: ValidateFunction): EventProblem => {
  const error = validate.errors![0] as ErrorObject
  return {
    code: 'SCHEMA_VIOLATION',
    path: shorten(`/properties${error.instancePath}`, 256),
    message: `${name} version ${version}: ${error.message}, found ${describe(error.data)}. Correct the property.`,
  }
}
