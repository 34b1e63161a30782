import type { CollectRequest } from '#gateway/collect/collector.ts'
import { scanGraphqlBody } from '#gateway/collect/graphql-problems.ts'
import { FIELD, PlainEvents } from '#gateway/collect/plain/events.ts'
import type { EventVerdict } from '#gateway/collect/verdict.ts'
import { createIndicators } from '#gateway/indicators/indicators.ts'
import { createKeyAdmin } from '#gateway/keys/key-admin.ts'
import { fakeOlap } from '#gateway/live/fake-olap.ts'
import { createLiveView } from '#gateway/live/live-view.ts'
import { createMetricReader } from '#gateway/live/metric-reader.ts'
import { definition, fakeCheckpoints, fakeMetricStore, TENANT } from '#gateway/live/testing.ts'
import { createMetricAdmin } from '#gateway/metrics/metric-admin.ts'
import type { Reports } from '#gateway/ports.ts'
import { createMemoryKeys } from '#gateway/testing/fakes.ts'
import { MillraceError } from '#schema/errors.ts'
import type { KeyKind, KeyRecord } from '#schema/keys.ts'
import { RETENTION } from '#schema/limits.ts'
import type { GraphqlServices } from './context.ts'
import { createSchema } from './schema.ts'
import { createGraphqlServer } from './yoga.ts'

export const key = (kind: KeyKind): KeyRecord => ({ id: kind, tenant: TENANT, kind, label: '', createdAt: 0 })

/** `Bearer read`, `Bearer write`, `Bearer admin`. */
export const authenticate = (authorization: string | undefined): KeyRecord => {
  const [, kind] = /^Bearer (read|write|admin)$/.exec(authorization ?? '') ?? []
  if (kind) return key(kind.toUpperCase() as KeyKind)
  throw new MillraceError('UNAUTHENTICATED', 'no such key')
}

type Collect = GraphqlServices['collector']['collect']

/** The schema over these services, asked as over HTTP. */
export const serveSchema = (services: GraphqlServices) => {
  const logged: object[] = []
  const server = createGraphqlServer(createSchema(), { error: (fields) => logged.push(fields) })
  const post = async (kind: KeyKind, text: string) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: text }
    const context = { services, key: key(kind), origin: {}, bytes: text.length, problems: scanGraphqlBody(text) }
    const response = await server.fetch('http://gateway/graphql', init, context)
    return { status: response.status, body: await response.json() }
  }
  const ask = async (kind: KeyKind, query: string, variables: object = {}) =>
    (await post(kind, JSON.stringify({ query, variables }))).body
  return { post, ask, logged }
}

const valuesOf = (events: CollectRequest['events']): readonly unknown[] =>
  events instanceof PlainEvents
    ? Array.from({ length: events.length }, (_, index) => JSON.parse(events.text(index, FIELD.event)))
    : events

/** Services over checkpoints in memory; `collected` holds what was sent. */
export const fakeServices = async ({ paceMs = 0 } = {}) => {
  const partitions = 2
  const checkpoints = fakeCheckpoints(partitions)
  const olap = fakeOlap(checkpoints.history)
  const metrics = fakeMetricStore(definition())
  const clock = { now: () => 1_767_268_800_000 }
  const view = createLiveView({ feed: checkpoints.feed, metrics, partitions, clock, log: { warn() {} } })
  await view.ready(1_000)
  const reports: Reports = {
    partitions: () => [],
    refused: () => undefined,
    storage: () => undefined,
    onReport: () => () => {},
  }
  const markers = { latencyP99: () => null, oldest: () => ({ settled: 0, shown: 0, stored: 0 }) }
  const collected: Parameters<Collect>[0][] = []
  const services: GraphqlServices = {
    collector: {
      async collect(request) {
        collected.push(request)
        const verdicts = valuesOf(request.events).map((event, index): EventVerdict => {
          const problem = request.problems?.get(index)
          const { id = '' } = event as { id?: string }
          const status = problem ? ('REJECTED' as const) : ('ACCEPTED' as const)
          const { code = null, message = null, path = null } = problem ?? {}
          return { index, id, status, code, message, path, retryable: false, retryAfterMs: null }
        })
        const refused = verdicts.filter(({ status }) => status === 'REJECTED')
        const rejected = refused.length
        return { accepted: verdicts.length - rejected, shed: 0, rejected, refused, verdicts }
      },
    },
    view,
    reader: createMetricReader({
      view,
      metrics,
      olap: olap.reader,
      clock,
      deploymentId: 'd1',
      horizonMs: () => 600_000,
      paceMs,
      patienceMs: 200,
    }),
    metrics,
    keys: createKeyAdmin({ keys: createMemoryKeys({}), clock }),
    admin: createMetricAdmin({ metrics, log: { appendControl: async () => 1 }, partitions }),
    olap: olap.reader,
    eventStatus: async () => null,
    reports,
    shed: { of: () => [] },
    indicators: createIndicators({ markers, intake: { dropRate: () => 0 }, reports, clock }),
    clock,
    partitions,
    tenantSettings: () => ({ latenessHorizonMs: 600_000, outOfOrdernessMs: 5_000 }),
    durability: () => 'FSYNCED',
    kept: RETENTION,
  }
  return { services, checkpoints, olap, collected, close: view.close }
}

/** A collector that answers only when it is let go. `asked`: somebody waits for it. */
export const heldCollector = () => {
  const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const collector: GraphqlServices['collector'] = {
    async collect() {
      asked.resolve()
      await answered.promise
      return { accepted: 1, shed: 0, rejected: 0, refused: [], verdicts: [] }
    },
  }
  return { collector, asked: asked.promise, letGo: answered.resolve }
}
