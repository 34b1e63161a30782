import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { MillraceError } from '#schema/errors.ts'
import { type GraphqlProblems, scanGraphqlBody } from '../collect/graphql-problems.ts'
import { type ReadBodyOptions, readBody } from '../collect/read-body.ts'

const NO_PROBLEMS: GraphqlProblems = { request: null, elements: new Map() }

/** The body of a GraphQL POST within the limits. What is made of its bytes is made when it is asked for. */
export class GraphqlBody {
  readonly bytes: Buffer
  private readonly isJson: boolean
  private decoded: string | undefined
  private found: GraphqlProblems | undefined

  /** `bytes` are UTF-8. */
  constructor(bytes: Buffer, isJson: boolean) {
    this.bytes = bytes
    this.isJson = isJson
  }

  get text(): string {
    this.decoded ??= this.bytes.toString('utf8')
    return this.decoded
  }

  /** What is wrong with the text. */
  get problems(): GraphqlProblems {
    this.found ??= this.isJson ? scanGraphqlBody(this.text) : NO_PROBLEMS
    return this.found
  }
}

/** Reads the body. Rejects as readBody does, and with BAD_INPUT when it is no UTF-8 text. */
export const readGraphqlBody = async (request: IncomingMessage, options?: ReadBodyOptions): Promise<GraphqlBody> => {
  const bytes = await readBody(request, options)
  if (!isUtf8(bytes)) {
    throw new MillraceError('BAD_INPUT', 'Expected UTF-8 text, found other bytes. Encode the request as UTF-8.')
  }
  return new GraphqlBody(bytes, isJson(request))
}

const isJson = (request: IncomingMessage): boolean => /\bjson\b/i.test(request.headers['content-type'] ?? 'json')
