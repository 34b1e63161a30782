import { isAscii } from 'node:buffer'
import { type DocumentNode, type ExecutionResult, Kind } from 'graphql'
import type { Moment } from '#gateway/live/live-view.ts'
import type { RangeResult } from '#gateway/live/metric-reader.ts'
import type { KeyRecord } from '#schema/keys.ts'
import type { GraphqlServices } from './context.ts'
import { createWeightedCache } from './weighted-cache.ts'

/** Requests beyond it are not known again. */
const MAX_REQUEST_CHARS = 16_384
/** Answers beyond it are not kept. */
const MAX_ANSWER_BYTES = 1_000_000
const LIMITS = { entries: 2_000, weight: 32_000_000 }

/** What the answer of a reader depends on, beside the question. */
interface State {
  moment: Moment
  asOf: number
  horizonMs: number
}

/** Text where it has no errors and is written already. */
type Executed = ExecutionResult | string

/** Text where its characters are bytes, so that both take the same memory. */
type Answer = string | Buffer

interface Shared {
  state: State
  /** Null: the answer is of that one request alone. */
  answer: Promise<Answer | null>
  bytes: number
}

/** Only metrics are read: their answers change with the live view, and with nothing else that it does not tell. */
const readsOnlyMetrics = ({ definitions }: DocumentNode): boolean =>
  definitions.every(
    (definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ||
      (definition.kind === Kind.OPERATION_DEFINITION &&
        definition.selectionSet.selections.every((one) => one.kind === Kind.FIELD && one.name.value === 'metric')),
  )

type Services = Pick<GraphqlServices, 'view' | 'metrics' | 'tenantSettings'>

/**
 * Equal queries of metrics are executed and serialised once for each change of what they read. Requests are equal when
 * their text, their tenant and the rights of their keys are.
 */
export const createSharedAnswers = ({ view, metrics, tenantSettings }: Services) => {
  const answers = createWeightedCache<Shared>(LIMITS, (text, { bytes }) => text.length + bytes)
  // Definitions change without the live view.
  metrics.onChange(() => answers.clear())

  const stateOf = (tenant: string): State => ({
    moment: view.moment(tenant),
    asOf: view.asOf(),
    horizonMs: tenantSettings(tenant).latenessHorizonMs,
  })
  const isOf = ({ moment, asOf, horizonMs }: State, tenant: string): boolean =>
    view.moment(tenant) === moment && view.asOf() === asOf && tenantSettings(tenant).latenessHorizonMs === horizonMs

  const serialise = (outcome: Executed, reads: readonly RangeResult[], state: State): Answer | null => {
    const fits = reads.every(({ moment, asOf }) => moment === state.moment && asOf === state.asOf)
    const isWritten = typeof outcome === 'string'
    if ((!isWritten && outcome.errors) || reads.length === 0 || !fits) return null
    const answer = Buffer.from(isWritten ? outcome : JSON.stringify(outcome))
    if (answer.length > MAX_ANSWER_BYTES) return null
    return isAscii(answer) ? answer.toString('latin1') : answer
  }

  /** The name under which a request is known again; null when it is too long. */
  const nameOf = ({ tenant, kind }: KeyRecord, text: string): string | null =>
    text.length <= MAX_REQUEST_CHARS ? `${tenant} ${kind} ${text}` : null

  return {
    /**
     * The answer that somebody else got or is about to get, as long as nothing has changed; null when there is none, or when
     * it turns out that his was for him alone.
     */
    find(text: string, key: KeyRecord): Promise<Answer | null> | null {
      const name = nameOf(key, text)
      const known = name === null ? undefined : answers.get(name)
      return known && view.isReady() && isOf(known.state, key.tenant) ? known.answer : null
    },

    /**
     * Runs a query whose answer others may share. `execute` notes what it read. Whoever asks the same meanwhile waits for
     * it, and asks for himself when it has errors.
     */
    async share(
      text: string,
      key: KeyRecord,
      document: DocumentNode,
      execute: (reads?: RangeResult[]) => Promise<Executed>,
    ): Promise<{ outcome: Executed; answer: Answer | null }> {
      const name = nameOf(key, text)
      if (name === null || !view.isReady() || !readsOnlyMetrics(document)) {
        return { outcome: await execute(), answer: null }
      }
      const state = stateOf(key.tenant)
      const reads: RangeResult[] = []
      const { promise, resolve } = Promise.withResolvers<Answer | null>()
      const own: Shared = { state, answer: promise, bytes: 0 }
      answers.set(name, own)
      let answer: Answer | null = null
      try {
        const outcome = await execute(reads)
        answer = serialise(outcome, reads, state)
        return { outcome, answer }
      } finally {
        resolve(answer)
        if (answers.get(name) === own) {
          if (answer === null) answers.forget(name)
          else answers.set(name, { ...own, bytes: answer.length })
        }
      }
    },
  }
}

export type SharedAnswers = ReturnType<typeof createSharedAnswers>
