import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  executeSubscriptionEvent,
  type ValidatedSubscriptionArgs,
  validateSubscriptionArgs,
} from 'graphql'
import type { Plugin } from 'graphql-yoga'

type Results = Map<string, Promise<ExecutionResult> | ExecutionResult>

const isStream = (value: object): value is AsyncIterable<object> => Symbol.asyncIterator in value

/**
 * Subscriptions to equal operations get the same update object; equal documents with equal variables are executed on
 * it once. An update belongs to one tenant and one set of rights, so its result may be shared by all who got it.
 */
export const useSharedUpdates = (): Plugin => {
  const known = new WeakMap<object, WeakMap<DocumentNode, Results>>()

  const resultsOf = (update: object, document: DocumentNode): Results => {
    const byDocument = known.get(update) ?? new WeakMap<DocumentNode, Results>()
    known.set(update, byDocument)
    const results = byDocument.get(document) ?? new Map()
    byDocument.set(document, results)
    return results
  }

  const execute = (args: ValidatedSubscriptionArgs, document: DocumentNode, key: string, update: object) => {
    const results = resultsOf(update, document)
    const result = results.get(key) ?? executeSubscriptionEvent({ ...args, rootValue: update })
    results.set(key, result)
    return result
  }

  const subscribe = async (args: ExecutionArgs): Promise<AsyncIterableIterator<ExecutionResult> | ExecutionResult> => {
    const validated = validateSubscriptionArgs(args)
    if (!('schema' in validated)) return { errors: validated }
    const source = await createSourceEventStream(validated)
    if (!isStream(source)) return source as ExecutionResult
    const updates = source[Symbol.asyncIterator]() as AsyncIterator<object>
    const key = JSON.stringify([args.operationName, args.variableValues])
    let ended = false
    const done = { done: true as const, value: undefined }
    const results: AsyncIterableIterator<ExecutionResult> = {
      [Symbol.asyncIterator]: () => results,
      async next() {
        if (ended) return done
        try {
          const update = await updates.next()
          if (update.done) return done
          return { done: false, value: await execute(validated, args.document, key, update.value) }
        } catch (error) {
          // The last thing that a subscriber hears is why there is no more.
          ended = true
          return { done: false, value: { errors: [error] } as unknown as ExecutionResult }
        }
      },
      async return() {
        ended = true
        await updates.return?.()
        return done
      },
    }
    return results
  }

  return {
    onSubscribe({ setSubscribeFn }) {
      setSubscribeFn(subscribe)
    },
  }
}
