import { randomUUID } from 'node:crypto'
import { GraphQLError } from 'graphql'
import { retryAfter } from '#gateway/http/answer.ts'
import { HTTP_STATUS, MillraceError } from '#schema/errors.ts'

export interface ErrorLog {
  error(fields: object, message: string): void
}

/** What the error was before executors wrapped it. */
const rootOf = (error: unknown): unknown => {
  let root = error
  while (root instanceof GraphQLError && root.originalError) root = root.originalError
  return root
}

const placeOf = (error: unknown) =>
  error instanceof GraphQLError
    ? { nodes: error.nodes, source: error.source, positions: error.positions, path: error.path }
    : {}

const fromMillrace = (error: unknown, root: MillraceError): GraphQLError =>
  new GraphQLError(root.message, {
    ...placeOf(error),
    extensions: {
      code: root.code,
      retryable: root.retryable,
      ...root.details,
      http: { status: HTTP_STATUS[root.code], headers: retryAfter(root.details.retryAfterMs) },
    },
  })

/** A document or variables that the schema does not allow; the HTTP status stays the one of the protocol. */
const fromGraphql = (error: unknown, root: GraphQLError): GraphQLError =>
  root.extensions.code === 'BAD_INPUT'
    ? root
    : new GraphQLError(root.message, {
        ...placeOf(error),
        extensions: { ...root.extensions, code: 'BAD_INPUT', retryable: false },
      })

/**
 * Every error as a client may see it: with extensions.code. What nobody foresaw becomes INTERNAL, with an id under
 * which it stands in the log.
 */
export const createErrorMask =
  (log: ErrorLog) =>
  (error: unknown): GraphQLError => {
    const root = rootOf(error)
    if (root instanceof MillraceError) {
      if (root.cause) log.error({ err: root.cause, code: root.code }, root.message)
      return fromMillrace(error, root)
    }
    if (root instanceof GraphQLError) return fromGraphql(error, root)
    const id = randomUUID()
    log.error({ err: root, id }, 'a GraphQL operation failed')
    return new GraphQLError(`Something went wrong in the gateway; its log tells what, under ${id}. Try again later.`, {
      ...placeOf(error),
      extensions: { code: 'INTERNAL', retryable: true, id, http: { status: 500 } },
    })
  }

export type ErrorMask = ReturnType<typeof createErrorMask>

/** The error as it travels: without what was meant for the HTTP layer. */
export const withoutInternals = (error: GraphQLError) => {
  const { http: _http, ...extensions } = error.extensions
  return { ...error.toJSON(), extensions }
}
