import { setTimeout as delay } from 'node:timers/promises'
import { postGraphql } from '#infra/testing/graphql.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { createRandom, type Random } from '#scripts/demo/random.ts'
import { type Definition, type MeasureInput, MINUTE, STANDING } from './definitions.ts'
import type { History } from './history.ts'

export interface ChangesOptions {
  seed: number
  /** The product through each of its gateways. */
  views: readonly TestProduct[]
  history: History
  /** A line for the log of the run. */
  say(line: string): void
}

export interface Changes {
  /** What was answered otherwise than it should have been, in words. */
  problems: string[]
  /** No further changes; resolves with true when the last one has its answer, with false after `deadlineMs`. */
  end(deadlineMs: number): Promise<boolean>
  /** Ends at once. */
  abort(): void
}

/** Changed again and again while somebody looks at it. */
export const CHANGING = 'chaos_changing'
/** Deleted and defined again. */
export const COMING = 'chaos_coming'

/** Sessions of metrics that change. */
export const VISIT = { session: 'PT5S' }

const MEAN_GAP_MS = 3_000
const AGAIN_MS = 300
/** Longer than anybody is stopped: who asks again before he is answered may be overtaken by what he had asked first. */
const REQUEST_MS = 60_000

const MEASURES: readonly MeasureInput[] = [
  { count: true },
  { sum: 'properties.bytes' },
  { sum: 'properties.amount' },
  { avg: 'properties.bytes' },
]
const WHERE: readonly Definition['where'][] = [
  undefined,
  [{ field: 'properties.status', op: 'EQ', value: 404 }],
  [{ field: 'properties.path', op: 'EQ', value: '/cart' }],
]
const DIMENSIONS = [[], ['properties.path'], ['name', 'properties.status']]

/** Another one than before. */
const anyDefinition = (name: string, random: Random, before: Definition | null | undefined): Definition => {
  for (;;) {
    const definition: Definition = {
      name,
      event: random.pick(['*', 'page_view', 'conversion']),
      where: random.pick(WHERE),
      measure: random.pick(MEASURES),
      dimensions: random.pick(DIMENSIONS),
      windows: [MINUTE, VISIT],
    }
    if (JSON.stringify(definition) !== JSON.stringify(before)) return definition
  }
}

const DEFINE = 'mutation ($input: MetricInput!) { defineMetric(input: $input) { version } }'
const DELETE = 'mutation ($name: String!) { deleteMetric(name: $name) }'

/** Asks the same until it is answered, now this gateway and now that. Throws what will be refused again. */
const askUntil = async <T>(
  views: readonly TestProduct[],
  random: Random,
  body: object,
  signal: AbortSignal,
): Promise<T> => {
  for (;;) {
    signal.throwIfAborted()
    const { endpoints, keys } = random.pick(views)
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)])
    const answer = await postGraphql<T>(endpoints.graphql, keys.adminToken, JSON.stringify(body), {}, timeout).catch(
      () => null,
    )
    if (answer?.data) return answer.data
    const [error] = answer?.errors ?? []
    if (error && !['UNAVAILABLE', 'OVERLOADED', 'INTERNAL'].includes(error.extensions.code)) {
      throw new Error(`${JSON.stringify(body)}: ${JSON.stringify(error)}`)
    }
    await delay(AGAIN_MS, undefined, { signal })
  }
}

const createAsking = ({ views, history, say }: ChangesOptions, random: Random, signal: AbortSignal) => {
  const problems: string[] = []
  const last = (name: string) => history.of.get(name)?.at(-1)
  return {
    problems,
    last,
    async define(definition: Definition): Promise<void> {
      const { name } = definition
      const due = (last(name)?.version ?? 0) + 1
      const body = { query: DEFINE, variables: { input: definition } }
      const { defineMetric } = await askUntil<{ defineMetric: { version: number } }>(views, random, body, signal)
      const { version } = defineMetric
      if (version !== due) problems.push(`a change of ${name} was answered as version ${version}, and not ${due}`)
      history.note(name, { version, definition })
      say(`${name} ${version}: ${JSON.stringify(definition)}`)
    },
    /** What is deleted is a version of its own, whose number nobody tells. */
    async remove(name: string): Promise<void> {
      await askUntil(views, random, { query: DELETE, variables: { name } }, signal)
      const version = (last(name)?.version ?? 0) + 1
      history.note(name, { version, definition: null })
      say(`${name} ${version} is deleted`)
    },
  }
}

/** Defines the metrics of a run, and then changes some of them until it ends. */
export const startChanges = async (options: ChangesOptions): Promise<Changes> => {
  const random = createRandom(options.seed, 3_000)
  const ending = new AbortController()
  const aborted = new AbortController()
  const { problems, last, define, remove } = createAsking(options, random, aborted.signal)
  const change = (name: string) => define(anyDefinition(name, random, last(name)?.definition))

  for (const definition of STANDING) await define(definition)
  await change(CHANGING)
  await change(COMING)
  const run = async (step: () => Promise<void>): Promise<void> => {
    for (;;) {
      await delay(random.exponential(MEAN_GAP_MS), undefined, { signal: ending.signal }).catch(() => {})
      if (ending.signal.aborted) return
      await step()
    }
  }
  const comeOrGo = () => (last(COMING)?.definition ? remove(COMING) : change(COMING))
  const running = Promise.all([run(() => change(CHANGING)), run(comeOrGo)]).catch((error: Error) => {
    if (!aborted.signal.aborted) problems.push(error.message)
  })
  const abort = (): void => {
    ending.abort()
    aborted.abort()
  }
  return {
    problems,
    abort,
    end: async (deadlineMs) => {
      ending.abort()
      const timer = setTimeout(abort, deadlineMs)
      await running
      clearTimeout(timer)
      return !aborted.signal.aborted
    },
  }
}
