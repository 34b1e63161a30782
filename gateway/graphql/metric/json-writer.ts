import {
  type FieldNode,
  type GraphQLLeafType,
  type GraphQLNullableOutputType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql'
import type { ScalarExtensions } from '../scalars.ts'
import { type Fields, type Fragments, fieldsOf } from './fields.ts'

/** The JSON text of a value as it was selected. Throws where the value is not plainly one of its type. */
export type Write = (value: unknown, context: unknown) => string

type Nodes = readonly FieldNode[]

const NO_ARGUMENTS = {}
/** Resolvers of what is selected here know their value, and ask for nothing about the place where it stands. */
const NO_INFO = undefined as unknown as GraphQLResolveInfo

const fail = (): never => {
  throw new TypeError('an executor has something to say about this value')
}

const isNothing = (value: unknown): value is null | undefined => value === null || value === undefined

/** What an executor waits for, calls, or takes as thrown. */
const isOdd = (value: unknown): boolean =>
  typeof value === 'function' || (typeof value === 'object' && (value instanceof Error || value instanceof Promise))

const textOf = (value: unknown): string => {
  if (typeof value === 'number' && Number.isFinite(value)) return `${value}`
  return isNothing(value) ? fail() : (JSON.stringify(value) ?? fail())
}

const leafWriter = (type: GraphQLLeafType): Write => {
  if (!isEnumType(type)) {
    const { writesNumbersPlainly = false }: ScalarExtensions = type.extensions
    return (value) => {
      const coerced = type.coerceOutputValue(value)
      return writesNumbersPlainly && typeof value === 'number' ? `"${coerced}"` : textOf(coerced)
    }
  }
  const texts = new Map(type.getValues().map(({ value, name }) => [value as unknown, JSON.stringify(name)]))
  return (value) => texts.get(value) ?? fail()
}

const listWriter =
  (write: Write): Write =>
  (list, context) => {
    if (!Array.isArray(list)) return fail()
    let text = ''
    for (const one of list) text += text === '' ? write(one, context) : `,${write(one, context)}`
    return `[${text}]`
  }

const fieldWriter = (parent: GraphQLObjectType, nodes: Nodes, fragments: Fragments): Write | null => {
  const name = nodes[0].name.value
  if (name === '__typename') {
    const text = JSON.stringify(parent.name)
    return () => text
  }
  const field = parent.getFields()[name]
  const { resolve } = field
  const write = jsonWriter(field.type, nodes, fragments)
  if (write === null || field.args.length > 0) return null
  if (!resolve) return (source, context) => write((source as Record<string, unknown>)[name], context)
  return (source, context) => write(resolve(source, NO_ARGUMENTS, context, NO_INFO), context)
}

/** Writes an object of these members, at least one; null where one of them cannot be written. */
export const membersWriter = (fields: Fields, writerOf: (key: string, same: Nodes) => Write | null): Write | null => {
  const members: { head: string; write: Write }[] = []
  for (const [key, same] of fields) {
    const write = writerOf(key, same)
    if (write === null) return null
    members.push({ head: `${members.length === 0 ? '{' : ','}${JSON.stringify(key)}:`, write })
  }
  return (value, context) => {
    let text = ''
    for (const { head, write } of members) text += head + write(value, context)
    return `${text}}`
  }
}

const objectWriter = (type: GraphQLObjectType, nodes: Nodes, fragments: Fragments): Write | null => {
  const fields = type.isTypeOf ? null : fieldsOf(type.name, nodes, fragments)
  return fields && membersWriter(fields, (_, same) => fieldWriter(type, same, fragments))
}

const valueWriter = (type: GraphQLNullableOutputType, nodes: Nodes, fragments: Fragments): Write | null => {
  if (isLeafType(type)) return leafWriter(type)
  if (isObjectType(type)) return objectWriter(type, nodes, fragments)
  const write = isListType(type) ? jsonWriter(type.ofType, nodes, fragments) : null
  return write && listWriter(write)
}

/**
 * What writes a value of this type with what these fields select of it: everything that follows from the schema and the
 * document is found out once. Null where something depends on the variables of a request.
 */
export const jsonWriter = (type: GraphQLOutputType, nodes: Nodes, fragments: Fragments): Write | null => {
  const required = isNonNullType(type)
  const write = valueWriter(required ? type.ofType : type, nodes, fragments)
  if (write === null) return null
  const nothing = required ? fail : () => 'null'
  return (value, context) => {
    if (isNothing(value)) return nothing()
    return isOdd(value) ? fail() : write(value, context)
  }
}
