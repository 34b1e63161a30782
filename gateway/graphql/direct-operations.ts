import { type DocumentNode, type ExecutionResult, OperationTypeNode } from 'graphql'
import type { GraphqlProblems } from '#gateway/collect/graphql-problems.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlContext, GraphqlServices, RequestOrigin } from './context.ts'
import type { ErrorMask } from './errors.ts'
import type { MetricPlans } from './metric/known-plans.ts'
import type { MetricPlan } from './metric/plan.ts'
import type { Operation, Outcome } from './operation.ts'
import { type OperationRequest, readOperationRequest } from './operation-request.ts'
import { createSharedAnswers } from './shared-answers.ts'
import { createTrackOperations } from './track/track-operations.ts'
import { type Enveloped, validDocument } from './valid-document.ts'
import type { GraphqlServer } from './yoga.ts'

/** What somebody asks: JSON of an operation, UTF-8. */
export interface RequestText {
  readonly bytes: Buffer
  readonly text: string
  /** What is wrong with the text. */
  readonly problems: GraphqlProblems
}

interface DirectOptions {
  server: GraphqlServer
  plans: MetricPlans
  services: GraphqlServices
  mask: ErrorMask
}

/** An operation, and where a plan has left something out of it, what writes its answer. */
type Executable = Pick<MetricPlan, 'schema' | 'document'> & Partial<Pick<MetricPlan, 'write'>> & Pick<Operation, 'type'>

/**
 * Queries and mutations as yoga carries them out, and with its plugins, but without the objects of fetch and of the
 * protocol of sockets, which cost several times what a small operation does. What is not for it is left to these.
 */
export const createDirectOperations = ({ server, plans, services, mask }: DirectOptions) => {
  const findTrack = createTrackOperations({ server, services, mask })
  const shared = createSharedAnswers(services)

  /** What is to be executed; null where there is something to say about the request, or a subscription is asked for. */
  const prepare = (enveloped: Enveloped, request: OperationRequest): Executable | null => {
    const known = plans.find(request)
    if (known) return { ...known, type: OperationTypeNode.QUERY }
    const valid = validDocument(enveloped, request)
    if (valid === null || valid.operation === OperationTypeNode.SUBSCRIPTION) return null
    const { document, operation: type } = valid
    return { ...(plans.learn(request, document) ?? { schema: enveloped.schema, document }), type }
  }

  const execute = async (
    enveloped: Enveloped,
    request: OperationRequest,
    executable: Executable,
  ): Promise<ExecutionResult | string> => {
    try {
      const contextValue = await enveloped.contextFactory()
      const { operationName, variables: variableValues } = request
      const run = async ({ schema, document }: { schema: Executable['schema']; document: DocumentNode }) =>
        (await enveloped.execute({ schema, document, contextValue, variableValues, operationName })) as ExecutionResult
      const result = await run(executable)
      if (result.errors || !executable.write) return result
      try {
        return executable.write(result.data!, contextValue)
      } catch {
        // A value that is not what its type says: the usual way tells of it.
        return await run({ schema: enveloped.schema, document: validDocument(enveloped, request)!.document })
      }
    } catch (error) {
      return { errors: [mask(error)] }
    }
  }

  const findDirect = (body: RequestText, key: KeyRecord, origin: RequestOrigin): Operation | null => {
    if (body.problems.request !== null) return null
    const request = readOperationRequest(JSON.parse(body.text))
    if (request === null) return null
    const context: GraphqlContext = { services, key, origin, bytes: body.bytes.length, problems: body.problems }
    const enveloped = server.getEnveloped(context)
    const executable = prepare(enveloped, request)
    if (executable === null) return null
    return {
      type: executable.type,
      name: request.operationName,
      async run(): Promise<Outcome> {
        const { outcome, answer } = await shared.share(body.text, key, executable.document, (reads) => {
          context.reads = reads
          return execute(enveloped, request, executable)
        })
        return answer ?? outcome
      },
    }
  }

  /** How an operation is answered; null when it is not one for it, and nothing was done. */
  return (body: RequestText, key: KeyRecord, origin: RequestOrigin): Operation | null => {
    const track = findTrack(body.bytes, key, origin)
    if (track) return track
    const answer = shared.find(body.text, key)
    if (answer === null) return findDirect(body, key, origin)
    return {
      type: OperationTypeNode.QUERY,
      // Where there is nothing to share after all it is asked for itself, as the one before it was.
      run: async () => (await answer) ?? (await findDirect(body, key, origin)!.run()),
    }
  }
}

export type FindDirect = ReturnType<typeof createDirectOperations>
