import { LIMITS } from '#schema/limits.ts'
import { type Problem, type ScanOptions, scanJson } from './strict-json.ts'
import { type EventProblem, eventProblem, pointer } from './verdict.ts'

/** In a GraphQL request an event is at variables, <name>, <index>: three containers stand around it. */
const EVENT_DEPTH = 3
const OPTIONS: ScanOptions = { maxDepth: EVENT_DEPTH + LIMITS.jsonDepth, unit: EVENT_DEPTH }

/** What is wrong with a GraphQL request's body: with all of it, or with elements of list variables. */
export interface GraphqlProblems {
  /** The request cannot be used: the text is no JSON, or a problem stands outside of any list variable. */
  request: string | null
  /** By variable and index: only that element is harmed. Refuse the request if it is not a list of events. */
  elements: ReadonlyMap<string, ReadonlyMap<number, EventProblem>>
}

export const scanGraphqlBody = (text: string): GraphqlProblems => {
  let request: string | null = null
  const elements = new Map<string, Map<number, EventProblem>>()
  for (const problem of scanJson(text, OPTIONS)) {
    const place = elementOf(problem)
    if (place === null) request ??= `${problem.message}${problem.path.length > 0 ? ` (${pointer(problem.path)})` : ''}`
    else {
      const byIndex = elements.get(place.variable) ?? new Map<number, EventProblem>()
      if (!byIndex.has(place.index)) byIndex.set(place.index, eventProblem(problem, EVENT_DEPTH))
      elements.set(place.variable, byIndex)
    }
  }
  return { request, elements }
}

const elementOf = ({ kind, path }: Problem): { variable: string; index: number } | null => {
  const [root, variable, index] = path
  // What the whole body is parsed by must never see a key of a backslash: see parseEscaped.
  if (
    kind === 'SYNTAX' ||
    kind === 'BACKSLASH_KEY' ||
    root !== 'variables' ||
    typeof variable !== 'string' ||
    typeof index !== 'number'
  )
    return null
  return { variable, index }
}
