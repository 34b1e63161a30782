import {
  type DocumentNode,
  type ExecutionResult,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLSchema,
  Kind,
  type OperationDefinitionNode,
  OperationTypeNode,
} from 'graphql'
import { type Fields, type Fragments, keyOf } from './fields.ts'
import { jsonWriter, membersWriter } from './json-writer.ts'
import { createWholeSchema } from './whole-schema.ts'

type Data = NonNullable<ExecutionResult['data']>

/** How a query of nothing but metrics is carried out. */
export interface MetricPlan {
  /** Null: the operation has none. */
  operationName: string | null
  /** To be executed on this schema: the operation without what it selects of its results. */
  schema: GraphQLSchema
  document: DocumentNode
  /** The text of the answer, from the data of that. Throws where an executor would have something to say. */
  write(data: Data, context: unknown): string
}

/** The metrics by the name under which they are answered; null where anything else is asked for. */
const metricsOf = ({ operation, directives, selectionSet }: OperationDefinitionNode): Fields | null => {
  if (operation !== OperationTypeNode.QUERY || directives?.length) return null
  const fields = new Map<string, readonly FieldNode[]>()
  for (const one of selectionSet.selections) {
    if (one.kind !== Kind.FIELD || one.name.value !== 'metric' || one.directives?.length) return null
    const key = keyOf(one)
    fields.set(key, [...(fields.get(key) ?? []), one])
  }
  return fields
}

const fragmentsOf = (definitions: DocumentNode['definitions']): Fragments => {
  const fragments = definitions.filter((one): one is FragmentDefinitionNode => one.kind === Kind.FRAGMENT_DEFINITION)
  return new Map(fragments.map((one) => [one.name.value, one]))
}

/** Fields stay at their places in the text, which errors tell. */
const withoutSelections = (operation: OperationDefinitionNode): DocumentNode => {
  const { selectionSet } = operation
  const selections = selectionSet.selections.map((one) => ({ ...one, selectionSet: undefined }) as FieldNode)
  return { kind: Kind.DOCUMENT, definitions: [{ ...operation, selectionSet: { ...selectionSet, selections } }] }
}

/** Makes plans of documents that are valid. Null for what does more, or depends on more than its arguments. */
export const createMetricPlanner = (schema: GraphQLSchema) => {
  const whole = createWholeSchema(schema)
  const { type } = schema.getQueryType()!.getFields().metric

  return ({ definitions }: DocumentNode): MetricPlan | null => {
    const [operation, ...others] = definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION)
    const metrics = others.length === 0 ? metricsOf(operation) : null
    if (metrics === null) return null
    const fragments = fragmentsOf(definitions)
    const write = membersWriter(metrics, (key, nodes) => {
      const writeResult = jsonWriter(type, nodes, fragments)
      return writeResult && ((data, context) => writeResult((data as Data)[key], context))
    })
    if (write === null) return null
    return {
      operationName: operation.name?.value ?? null,
      schema: whole,
      document: withoutSelections(operation),
      write: (data, context) => `{"data":${write(data, context)}}`,
    }
  }
}
