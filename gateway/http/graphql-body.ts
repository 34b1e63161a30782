import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { MillraceError } from '#schema/errors.ts'
import { type GraphqlProblems, scanGraphqlBody } from '../collect/graphql-problems.ts'
import { type ReadBodyOptions, readBody } from '../collect/read-body.ts'

/** The body of a GraphQL POST within the limits, with what is wrong with its text. */
export interface GraphqlBody {
  text: string
  problems: GraphqlProblems
}

/** Reads the body. Rejects as readBody does, and with BAD_INPUT when it is no UTF-8 text. */
export const readGraphqlBody = async (request: IncomingMessage, options?: ReadBodyOptions): Promise<GraphqlBody> => {
  const bytes = await readBody(request, options)
  if (!isUtf8(bytes)) {
    throw new MillraceError('BAD_INPUT', 'Expected UTF-8 text, found other bytes. Encode the request as UTF-8.')
  }
  const text = bytes.toString('utf8')
  return { text, problems: isJson(request) ? scanGraphqlBody(text) : { request: null, elements: new Map() } }
}

const isJson = (request: IncomingMessage): boolean => /\bjson\b/i.test(request.headers['content-type'] ?? 'json')
