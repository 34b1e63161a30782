import { type FieldNode, type GraphQLResolveInfo, Kind, type OperationDefinitionNode } from 'graphql'
import type { GraphqlProblems } from '#gateway/collect/graphql-problems.ts'
import type { EventProblem } from '#gateway/collect/verdict.ts'
import { MillraceError } from '#schema/errors.ts'

const NONE: ReadonlyMap<number, EventProblem> = new Map()

/** The variable that holds the events of a track mutation; undefined when they stand in the document. */
const eventsVariable = (field: FieldNode): string | undefined => {
  const value = field.arguments?.find((argument) => argument.name.value === 'events')?.value
  return value?.kind === Kind.VARIABLE ? value.name.value : undefined
}

/** Variables that are lists of events: what is wrong with an element harms that event alone. */
const eventVariables = (operation: OperationDefinitionNode): Set<string | undefined> =>
  new Set(operation.selectionSet.selections.map((one) => (one.kind === Kind.FIELD ? eventsVariable(one) : undefined)))

/** Throws BAD_INPUT when something is wrong with the text of the variables outside of any list of events. */
export const refuseProblems = (
  problems: GraphqlProblems,
  claimed: ReadonlySet<string | undefined> = new Set(),
): void => {
  for (const [variable, byIndex] of problems.elements) {
    if (claimed.has(variable)) continue
    const [index, { message }] = [...byIndex][0]
    throw new MillraceError('BAD_INPUT', `variable ${variable}, element ${index}: ${message}`)
  }
}

/** By index: what is wrong with the text of the events of this mutation. Throws BAD_INPUT for the text around them. */
export const claimedProblems = (
  info: GraphQLResolveInfo,
  problems: GraphqlProblems,
): ReadonlyMap<number, EventProblem> => {
  if (problems.elements.size === 0) return NONE
  refuseProblems(problems, eventVariables(info.operation))
  const variable = eventsVariable(info.fieldNodes[0])
  return (variable !== undefined && problems.elements.get(variable)) || NONE
}
