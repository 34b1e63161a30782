import type { IncomingMessage, ServerResponse } from 'node:http'
import type { DocumentNode, ExecutionResult } from 'graphql'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlContext } from './context.ts'
import type { ErrorMask } from './errors.ts'
import { isJsonBody, mediaTypeFor } from './media-type.ts'
import { type OperationRequest, readOperationRequest } from './operation-request.ts'
import { type AnswerForm, sendResult, sendText } from './send-result.ts'
import type { SharedAnswers } from './shared-answers.ts'
import { type Enveloped, validDocument } from './valid-document.ts'
import type { GraphqlServer } from './yoga.ts'

interface DirectTransportOptions {
  server: GraphqlServer
  mask: ErrorMask
  shared: SharedAnswers
}

/** In which form a request that came by POST as JSON is answered; null where that is yoga's affair. */
export const answerForm = ({ headers }: IncomingMessage): AnswerForm | null => {
  const type = mediaTypeFor(headers.accept)
  return type !== null && isJsonBody(headers['content-type']) ? { type, origin: headers.origin } : null
}

/**
 * Answers queries and mutations that came by POST as JSON, as yoga does and with its plugins, but without the objects of
 * fetch, which cost several times what a small operation does. What it does not take is left to yoga.
 */
export const createDirectTransport = ({ server, mask, shared }: DirectTransportOptions) => {
  const execute = async (
    enveloped: Enveloped,
    request: OperationRequest,
    document: DocumentNode,
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

  return {
    /** Answers what equal requests have been answered; false when there is no such answer. */
    async answerShared(response: ServerResponse, text: string, key: KeyRecord, form: AnswerForm): Promise<boolean> {
      const answer = await shared.find(text, key)
      if (answer) sendText(response, answer, form)
      return answer !== null
    },

    /** Answers false when the request is not one for it, and nothing was done. */
    async answer(response: ServerResponse, text: string, context: GraphqlContext, form: AnswerForm): Promise<boolean> {
      const request = readOperationRequest(JSON.parse(text))
      if (request === null) return false
      const enveloped = server.getEnveloped(context)
      const valid = validDocument(enveloped, request)
      if (valid === null || valid.operation === 'subscription') return false
      const { document } = valid
      const { result, answer } = await shared.share(text, context.key, document, (reads) => {
        context.reads = reads
        return execute(enveloped, request, document)
      })
      if (answer) sendText(response, answer, form)
      else await sendResult(server, response, result, form)
      return true
    },
  }
}
