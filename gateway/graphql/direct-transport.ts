import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ExecutionResult, OperationTypeNode } from 'graphql'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlContext } from './context.ts'
import type { ErrorMask } from './errors.ts'
import { isJsonBody, mediaTypeFor } from './media-type.ts'
import type { MetricPlans } from './metric/known-plans.ts'
import type { MetricPlan } from './metric/plan.ts'
import { type OperationRequest, readOperationRequest } from './operation-request.ts'
import { type AnswerForm, sendResult, sendText } from './send-result.ts'
import type { Outcome, SharedAnswers } from './shared-answers.ts'
import { type Enveloped, validDocument } from './valid-document.ts'
import type { GraphqlServer } from './yoga.ts'

interface DirectTransportOptions {
  server: GraphqlServer
  mask: ErrorMask
  shared: SharedAnswers
  plans: MetricPlans
}

/** An operation, and where a plan has left something out of it, what writes its answer. */
type Executable = Pick<MetricPlan, 'schema' | 'document'> & Partial<Pick<MetricPlan, 'write'>>

/** In which form a request that came by POST as JSON is answered; null where that is yoga's affair. */
export const answerForm = ({ headers }: IncomingMessage): AnswerForm | null => {
  const type = mediaTypeFor(headers.accept)
  return type !== null && isJsonBody(headers['content-type']) ? { type, origin: headers.origin } : null
}

/**
 * Answers queries and mutations that came by POST as JSON, as yoga does and with its plugins, but without the objects of
 * fetch, which cost several times what a small operation does. What it does not take is left to yoga.
 */
export const createDirectTransport = ({ server, mask, shared, plans }: DirectTransportOptions) => {
  /** What is to be executed; null where there is something to say about the request, or a subscription is asked for. */
  const prepare = (enveloped: Enveloped, request: OperationRequest): Executable | null => {
    const known = plans.find(request)
    if (known) return known
    const valid = validDocument(enveloped, request)
    if (valid === null || valid.operation === OperationTypeNode.SUBSCRIPTION) return null
    return plans.learn(request, valid.document) ?? { schema: enveloped.schema, document: valid.document }
  }

  const run = async (enveloped: Enveloped, request: OperationRequest, executable: Executable): Promise<Outcome> => {
    try {
      const contextValue = await enveloped.contextFactory()
      const { operationName, variables: variableValues } = request
      const execute = async ({ schema, document }: Executable): Promise<ExecutionResult> =>
        enveloped.execute({ schema, document, contextValue, variableValues, operationName })
      const result = await execute(executable)
      if (result.errors || !executable.write) return result
      try {
        return executable.write(result.data!, contextValue)
      } catch {
        // A value that is not what its type says: the usual way tells of it.
        return await execute({ schema: enveloped.schema, document: validDocument(enveloped, request)!.document })
      }
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
      const executable = prepare(enveloped, request)
      if (executable === null) return false
      const { outcome, answer } = await shared.share(text, context.key, executable.document, (reads) => {
        context.reads = reads
        return run(enveloped, request, executable)
      })
      if (answer) sendText(response, answer, form)
      else if (typeof outcome === 'string') sendText(response, outcome, form)
      else await sendResult(server, response, outcome, form)
      return true
    },
  }
}
