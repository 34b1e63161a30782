import { LIMITS } from '#schema/limits.ts'
import type { JsonPath } from './strict-json.ts'
import { type EventProblem, pointer } from './verdict.ts'

/**
 * Looks through a value for what JSON text cannot carry to every reader: too many levels, lone surrogates, numbers that
 * are not finite, keys named __proto__. Values that never were text (GraphQL literals) pass here only.
 * `depth` is that of the value: an event is 1. Never recurses deeper than the limit.
 */
export const inspect = (value: unknown, depth = 1, path: JsonPath = []): EventProblem | null => {
  if (typeof value === 'string') {
    return value.isWellFormed() ? null : malformed(path, 'expected Unicode text, found half of a surrogate pair')
  }
  if (typeof value === 'number') {
    return Number.isFinite(value) ? null : malformed(path, `expected a number within ±1.8e308, found ${value}`)
  }
  if (value === null || typeof value === 'boolean') return null
  if (typeof value !== 'object') return malformed(path, `expected a JSON value, found a ${typeof value}`)
  if (depth > LIMITS.jsonDepth) return tooDeep(path)
  return Array.isArray(value) ? inspectArray(value, depth, path) : inspectObject(value as object, depth, path)
}

const inspectArray = (values: unknown[], depth: number, path: JsonPath): EventProblem | null => {
  for (let i = 0; i < values.length; i++) {
    path.push(i)
    const problem = inspect(values[i], depth + 1, path)
    if (problem) return problem
    path.pop()
  }
  return null
}

const inspectObject = (object: object, depth: number, path: JsonPath): EventProblem | null => {
  for (const key of Object.keys(object)) {
    path.push(key)
    if (key === '__proto__') return malformed(path, 'expected no key named __proto__: some readers would run into it')
    if (key.includes('\\'))
      return malformed(path, 'expected no backslash in a key: some readers take other keys for it')
    if (!key.isWellFormed()) return malformed(path, 'expected Unicode text, found half of a surrogate pair')
    const value = (object as Record<string, unknown>)[key]
    // An optional field of a GraphQL input may be undefined; JSON text leaves it out.
    const problem = value === undefined ? null : inspect(value, depth + 1, path)
    if (problem) return problem
    path.pop()
  }
  return null
}

const malformed = (path: JsonPath, message: string): EventProblem => ({
  code: 'MALFORMED',
  message: `${message}. Send plain JSON.`,
  path: pointer(path),
})

const tooDeep = (path: JsonPath): EventProblem => ({
  code: 'TOO_DEEP',
  message: `expected at most ${LIMITS.jsonDepth} levels of nesting, there are more. Flatten the event.`,
  path: pointer(path),
})
