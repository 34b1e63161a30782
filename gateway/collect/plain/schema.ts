import type { BuiltinSchema } from '#schema/builtin-schemas.ts'
import { isAt } from '#schema/scan/texts.ts'
import { FIELD, type PlainEvents } from './events.ts'

const [QUOTE, MINUS, POINT, ZERO, BACKSLASH] = [0x22, 0x2d, 0x2e, 0x30, 0x5c]

/** Whether a plain event's properties meet the schema for sure; when not, the event is parsed and checked as usual. */
export type PlainCheck = (events: PlainEvents, event: number) => boolean

type Accepts = (data: Buffer, start: number, end: number) => boolean

/** Keywords of a property that can be told from its bytes; a schema with any other has no plain check. */
interface Rule {
  type?: unknown
  minimum?: number
  maximum?: number
  pattern?: string
}
const KEYWORDS = new Set(['type', 'minimum', 'maximum', 'pattern'])
const OF_SCHEMA = new Set(['$schema', '$id', 'type', 'properties', 'title', 'description'])

const isNumber: Accepts = (data, start) => data[start] === MINUS || (data[start] >= ZERO && data[start] <= ZERO + 9)
const isWhole: Accepts = (data, start, end) => {
  if (!isNumber(data, start, end)) return false
  for (let at = start; at < end; at++) if (data[at] === POINT) return false
  return true
}

const TYPES: Record<string, Accepts | undefined> = {
  string: (data, start) => data[start] === QUOTE,
  integer: isWhole,
  number: isNumber,
  boolean: (data, start) => data[start] === 0x74 || data[start] === 0x66,
}

const within = ({ minimum = -Infinity, maximum = Infinity }: Rule): Accepts => {
  return (data, start, end) => {
    const value = Number(data.toString('latin1', start, end))
    return value >= minimum && value <= maximum
  }
}

/** Of ASCII without escapes alone. */
const matches = (pattern: string): Accepts => {
  const expression = new RegExp(pattern, 'u')
  return (data, start, end) => {
    for (let at = start + 1; at < end - 1; at++) if (data[at] >= 0x80 || data[at] === BACKSLASH) return false
    return expression.test(data.toString('latin1', start + 1, end - 1))
  }
}

const compileRule = (rule: Rule): Accepts | null => {
  const type = typeof rule.type === 'string' ? TYPES[rule.type] : undefined
  if (!type || !Object.keys(rule).every((keyword) => KEYWORDS.has(keyword))) return null
  const parts = [type]
  const isNumeric = rule.type === 'integer' || rule.type === 'number'
  if (isNumeric && (rule.minimum !== undefined || rule.maximum !== undefined)) parts.push(within(rule))
  if (rule.type === 'string' && rule.pattern !== undefined) parts.push(matches(rule.pattern))
  return parts.length === 1 ? type : (data, start, end) => parts.every((accepts) => accepts(data, start, end))
}

/** A schema as a check of bytes, or null where it says what only a parsed value can tell. */
export const compilePlain = ({ jsonSchema }: BuiltinSchema): PlainCheck | null => {
  const { type, properties = {} } = jsonSchema as { type?: unknown; properties?: Record<string, Rule> }
  if (type !== 'object' || !Object.keys(jsonSchema).every((keyword) => OF_SCHEMA.has(keyword))) return null
  const rules: { name: string; accepts: Accepts }[] = []
  for (const [name, rule] of Object.entries(properties)) {
    const accepts = compileRule(rule)
    if (!accepts) return null
    rules.push({ name, accepts })
  }
  return (events, event) => {
    const { data, properties: members } = events
    const end = events.end(event, FIELD.properties)
    for (let member = events.start(event, FIELD.properties); member < end; member++) {
      const [nameStart, nameEnd] = [members.nameStart(member), members.nameEnd(member)]
      for (let i = 0; i < rules.length; i++) {
        if (!isAt(data, nameStart, nameEnd, rules[i].name)) continue
        if (!rules[i].accepts(data, members.start(member), members.end(member))) return false
        break
      }
    }
    return true
  }
}
