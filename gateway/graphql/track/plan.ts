import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
  print,
  type SelectionSetNode,
  type VariableDefinitionNode,
} from 'graphql'
import type { EventVerdict, Receipt } from '#gateway/collect/verdict.ts'

/** How a mutation that does nothing but send the events of one variable is carried out. */
export interface TrackPlan {
  /** Null: the operation has none. */
  operationName: string | null
  /** The variable that holds the events. */
  variable: string
  /** A variable that names the source, or the source itself. Neither: live traffic. */
  sourceVariable: string | null
  sourceRequired: boolean
  source: string | null
  field: FieldNode
  /** The name under which the receipt is answered. */
  responseKey: string
  /** The answer's JSON: what was selected of the receipt, in that order. */
  answer(receipt: Receipt): string
}

/** Values of scalar fields by name, `__typename` among them. */
type Leaves<T> = Record<string, (value: T) => unknown>

const RECEIPT: Leaves<Receipt> = {
  accepted: ({ accepted }) => accepted,
  shed: ({ shed }) => shed,
  rejected: ({ rejected }) => rejected,
  __typename: () => 'IngestReceipt',
}

const VERDICT: Leaves<EventVerdict> = {
  index: ({ index }) => index,
  id: ({ id }) => id,
  status: ({ status }) => status,
  code: ({ code }) => code,
  message: ({ message }) => message,
  path: ({ path }) => path,
  retryable: ({ retryable }) => retryable,
  retryAfterMs: ({ retryAfterMs }) => retryAfterMs,
  __typename: () => 'EventVerdict',
}

const keyOf = (field: FieldNode): string => (field.alias ?? field.name).value

type Getter<T> = readonly [key: string, get: (value: T) => unknown]

/** What gets each field that is selected; null where something is not one of the fields that are known here. */
const gettersOf = <T>(
  set: SelectionSetNode | undefined,
  getterOf: (field: FieldNode) => ((value: T) => unknown) | null,
): Getter<T>[] | null => {
  const getters: Getter<T>[] = []
  for (const selection of set?.selections ?? []) {
    if (selection.kind !== Kind.FIELD || selection.directives?.length) return null
    const key = keyOf(selection)
    const get = getterOf(selection)
    // Two of one name are merged in the usual way.
    if (get === null || key === '__proto__' || getters.some(([other]) => other === key)) return null
    getters.push([key, get])
  }
  return getters
}

const selector =
  <T>(getters: readonly Getter<T>[]) =>
  (value: T): object => {
    const selected: Record<string, unknown> = {}
    for (const [key, get] of getters) selected[key] = get(value)
    return selected
  }

const leaf =
  <T>(leaves: Leaves<T>) =>
  (field: FieldNode): ((value: T) => unknown) | null =>
    Object.hasOwn(leaves, field.name.value) ? leaves[field.name.value] : null

/** Whether `verdicts` tells of all; null where a variable says so. */
const tellsAll = (field: FieldNode): boolean | null => {
  const [all] = field.arguments ?? []
  if (all === undefined) return false
  return all.value.kind === Kind.BOOLEAN ? all.value.value : null
}

const receiptField = (field: FieldNode): ((receipt: Receipt) => unknown) | null => {
  if (field.name.value !== 'verdicts') return leaf(RECEIPT)(field)
  const all = tellsAll(field)
  const getters = gettersOf(field.selectionSet, leaf(VERDICT))
  if (all === null || getters === null) return null
  const select = selector(getters)
  return (receipt) => (all ? receipt.verdicts : receipt.refused).map(select)
}

const tellsOfAll = ({ selectionSet }: FieldNode): boolean =>
  selectionSet?.selections.some((one) => one.kind === Kind.FIELD && one.name.value === 'verdicts' && tellsAll(one)) ===
  true

/** Where there is no verdict to tell, an answer says how many events were accepted: the last one is kept. */
const answerer = (field: FieldNode, select: (receipt: Receipt) => object): ((receipt: Receipt) => string) => {
  const write = (receipt: Receipt): string => JSON.stringify({ data: { [keyOf(field)]: select(receipt) } })
  if (tellsOfAll(field)) return write
  let last = { accepted: -1, text: '' }
  return (receipt) => {
    const { accepted, refused } = receipt
    if (refused.length > 0) return write(receipt)
    if (last.accepted !== accepted) last = { accepted, text: write(receipt) }
    return last.text
  }
}

const EVENTS_TYPE: Record<string, string | undefined> = { trackEvents: '[EventInput!]!', trackBatch: 'JSON!' }

interface Variable {
  name: string
  type: string
}

/** The variable of an argument's value, if it is one without a default, of one of these types. */
const variableOf = (
  argument: ArgumentNode | undefined,
  definitions: readonly VariableDefinitionNode[],
  types: readonly string[],
): Variable | null => {
  if (argument?.value.kind !== Kind.VARIABLE) return null
  const name = argument.value.name.value
  const definition = definitions.find(({ variable }) => variable.name.value === name)
  if (!definition || definition.defaultValue || definition.directives?.length) return null
  const type = print(definition.type)
  return types.includes(type) ? { name, type } : null
}

const onlyField = (operation: OperationDefinitionNode): FieldNode | null => {
  const { selections } = operation.selectionSet
  const [field] = selections
  if (operation.operation !== OperationTypeNode.MUTATION || operation.directives?.length) return null
  return selections.length === 1 && field.kind === Kind.FIELD && !field.directives?.length ? field : null
}

/** The plan of a valid document; null for any that does more, or does it in another way, than most clients. */
export const planOf = ({ definitions: [operation, ...others] }: DocumentNode): TrackPlan | null => {
  if (operation.kind !== Kind.OPERATION_DEFINITION || others.length > 0) return null
  const field = onlyField(operation)
  const eventsType = field && EVENTS_TYPE[field.name.value]
  const getters = field && gettersOf(field.selectionSet, receiptField)
  if (!field || !eventsType || !getters) return null
  const definitions = operation.variableDefinitions ?? []
  const argument = (name: string) => field.arguments?.find((one) => one.name.value === name)
  const source = argument('source')
  const variable = variableOf(argument('events'), definitions, [eventsType])
  const sourceVariable = variableOf(source, definitions, ['String', 'String!'])
  const written = source?.value.kind === Kind.STRING ? source.value.value : null
  if (variable === null || (source && sourceVariable === null && written === null)) return null
  return {
    operationName: operation.name?.value ?? null,
    variable: variable.name,
    sourceVariable: sourceVariable?.name ?? null,
    sourceRequired: sourceVariable?.type === 'String!',
    source: written,
    field,
    responseKey: keyOf(field),
    answer: answerer(field, selector(getters)),
  }
}
