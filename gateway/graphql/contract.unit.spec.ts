import { readFile } from 'node:fs/promises'
import {
  buildSchema,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLNamedType,
  isEnumType,
  isInputObjectType,
  isObjectType,
  valueFromAST,
} from 'graphql'
import { expect, test } from 'vitest'
import { printedSchema } from './print-schema.ts'
import { createSchema } from './schema.ts'

const read = (path: string): Promise<string> => readFile(new URL(path, import.meta.url), 'utf8')

const contract = buildSchema(await read('contract.fixture.graphql'))
const implemented = createSchema()
const own = Object.values(implemented.getTypeMap()).filter(({ name }) => !name.startsWith('__'))

const defaultOf = (argument: { defaultValue?: unknown; astNode?: object | null; type: unknown }): unknown => {
  const node = (argument.astNode as { defaultValue?: never } | null | undefined)?.defaultValue
  if (node) return valueFromAST(node, argument.type as never)
  const { defaultValue, default: given } = argument as { defaultValue?: unknown; default?: { value?: unknown } }
  return given?.value ?? defaultValue
}

/** Arguments as text: name, type and default; those that are not implemented are left out of the contract's. */
const signature = (field: GraphQLField<unknown, unknown>, names: readonly string[]): string[] =>
  field.args
    .filter(({ name }) => names.includes(name))
    .map((argument) => `${argument.name}: ${argument.type} = ${JSON.stringify(defaultOf(argument) ?? null)}`)
    .sort()

/** What Millrace adds to the contract. */
const ADDED: ReadonlySet<string> = new Set([
  'Query.corrections',
  'PartitionStatus.holdsBack',
  'PipelineStatus.heldBackBy',
  'PipelineStatus.kept',
  'PipelineStatus.shedding',
  'Metric.sessionGap',
  'MetricInput.sessionGap',
  'Mutation.limitKey',
  'CreateKeyInput.bytesPerSecond',
])

const ADDED_TYPES: ReadonlySet<string> = new Set(['Correction', 'CorrectionConnection', 'KeptFor', 'PartitionShedding'])

const checkObject = (type: GraphQLNamedType, promised: GraphQLNamedType): void => {
  if (!isObjectType(type) || !isObjectType(promised)) return
  for (const field of Object.values(type.getFields())) {
    if (ADDED.has(`${type.name}.${field.name}`)) continue
    const other = promised.getFields()[field.name]
    expect(other, `${type.name}.${field.name}`).toBeDefined()
    expect(String(field.type), `${type.name}.${field.name}`).toBe(String(other.type))
    const names = field.args.map(({ name }) => name)
    expect(signature(field, names), `${type.name}.${field.name}`).toEqual(signature(other, names))
    const missing = other.args.filter(({ name, type: needed }) => !names.includes(name) && String(needed).endsWith('!'))
    expect(
      missing.map(({ name }) => name),
      `${type.name}.${field.name}`,
    ).toEqual([])
  }
}

const checkInput = (type: GraphQLNamedType, promised: GraphQLNamedType): void => {
  if (!isInputObjectType(type) || !isInputObjectType(promised)) return
  expect(type.isOneOf, type.name).toBe(promised.isOneOf)
  for (const field of Object.values(type.getFields()) as GraphQLInputField[]) {
    if (ADDED.has(`${type.name}.${field.name}`)) continue
    const other = promised.getFields()[field.name]
    expect(String(field.type), `${type.name}.${field.name}`).toBe(String(other?.type))
  }
}

const promisedTypes = own.filter(({ name }) => !ADDED_TYPES.has(name))
test.each(promisedTypes.map((type) => [type.name, type] as const))('%s is as the contract has it', (name, type) => {
  const promised = contract.getType(name)
  expect(promised?.constructor.name).toBe(type.constructor.name)
  if (!promised) return
  checkObject(type, promised)
  checkInput(type, promised)
  if (isEnumType(type) && isEnumType(promised)) {
    const values = promised.getValues().map((value) => value.name)
    for (const value of type.getValues()) expect(values).toContain(value.name)
  }
})

test('what apps need first is there', () => {
  const fields = (type: string): string[] =>
    Object.keys((implemented.getType(type) as never as { getFields(): object }).getFields())
  expect(fields('Mutation').sort()).toEqual([
    'createKey',
    'defineMetric',
    'deleteMetric',
    'limitKey',
    'revokeKey',
    'trackBatch',
    'trackEvents',
  ])
  expect(fields('Query')).toEqual(
    expect.arrayContaining(['metrics', 'metric', 'events', 'deadLetters', 'tenant', 'pipeline']),
  )
  expect(fields('Subscription').sort()).toEqual(['metric', 'pipeline'])
})

test('schema/schema.graphql is the schema as it is', async () => {
  expect(await read('../../schema/schema.graphql')).toBe(printedSchema())
})
