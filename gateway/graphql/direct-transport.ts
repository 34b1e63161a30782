import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ExecutionResult, getOperationAST } from 'graphql'
import { processRegularResult } from 'graphql-yoga'
import type { GraphqlContext } from './context.ts'
import { corsHeaders } from './cors.ts'
import type { ErrorMask } from './errors.ts'
import { isJsonBody, type MediaType, mediaTypeFor } from './media-type.ts'
import { type OperationRequest, readOperationRequest } from './operation-request.ts'
import type { GraphqlServer } from './yoga.ts'

interface DirectTransportOptions {
  server: GraphqlServer
  mask: ErrorMask
}

type Enveloped = ReturnType<GraphqlServer['getEnveloped']>

/** The document of a query or mutation that is valid; null for any other, whose answer is yoga's affair. */
const validDocument = ({ parse, validate, schema }: Enveloped, { query, operationName }: OperationRequest) => {
  try {
    const document = parse(query)
    if (validate(schema, document).length > 0) return null
    const operation = getOperationAST(document, operationName)?.operation
    return operation === 'query' || operation === 'mutation' ? document : null
  } catch {
    return null
  }
}

/**
 * Answers queries and mutations that came by POST as JSON, as yoga does and with its plugins, but without the objects of
 * fetch, which cost several times what a small operation does. What it does not take is left to yoga.
 */
export const createDirectTransport = ({ server, mask }: DirectTransportOptions) => {
  const execute = async (
    enveloped: Enveloped,
    request: OperationRequest,
    document: object,
  ): Promise<ExecutionResult> => {
    try {
      const contextValue = await enveloped.contextFactory()
      const { operationName, variables: variableValues } = request
      const { schema } = enveloped
      return await enveloped.execute({ schema, document, contextValue, variableValues, operationName })
    } catch (error) {
      return { errors: [mask(error)] }
    }
  }

  const send = async (response: ServerResponse, result: ExecutionResult, type: MediaType, origin?: string) => {
    let [status, body] = [200, '']
    if (result.errors) {
      const answer = processRegularResult(result, server.fetchAPI, type)
      ;[status, body] = [answer.status, await answer.text()]
    } else body = JSON.stringify(result)
    if (response.destroyed) return
    const data = Buffer.from(body)
    const headers = { 'content-type': `${type}; charset=utf-8`, 'content-length': data.length, ...corsHeaders(origin) }
    response.writeHead(status, headers)
    response.end(data)
  }

  /** Answers false when the request is not one for it, and nothing was done. */
  return async (
    { headers }: IncomingMessage,
    response: ServerResponse,
    text: string,
    context: GraphqlContext,
  ): Promise<boolean> => {
    const type = mediaTypeFor(headers.accept)
    if (type === null || !isJsonBody(headers['content-type'])) return false
    const request = readOperationRequest(JSON.parse(text))
    if (request === null) return false
    const enveloped = server.getEnveloped(context)
    const document = validDocument(enveloped, request)
    if (document === null) return false
    await send(response, await execute(enveloped, request, document), type, headers.origin)
    return true
  }
}
