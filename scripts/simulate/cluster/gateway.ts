import { Registry } from 'prom-client'
import { createCollector } from '#gateway/collect/collector.ts'
import { createCollectMetrics } from '#gateway/collect/metrics.ts'
import { createSchemaCheck } from '#gateway/collect/schema-check.ts'
import { createLiveView } from '#gateway/live/live-view.ts'
import { createMetricReader } from '#gateway/live/metric-reader.ts'
import { createMetricAdmin } from '#gateway/metrics/metric-admin.ts'
import type { OlapReader } from '#gateway/ports.ts'
import { createShed } from '#gateway/shedding/shed.ts'
import { createLogWriter } from '#infra/nats/log.ts'
import { createMetricStore } from '#infra/nats/metrics.ts'
import { createCheckpointFeed } from '#infra/nats/outputs.ts'
import { createReports } from '#infra/nats/reports.ts'
import { askProcess } from './rpc.ts'
import { DEPLOYMENT_ID, HORIZON_MS, SEED, TENANT } from './settings.ts'
import type { Member } from './supervise.ts'
import type { Spawned, World } from './world.ts'

/** Asks whoever has the store open, as over NATS. */
const createReader = (world: World): OlapReader => {
  const asked = <T>(question: (olap: OlapReader) => Promise<T>): Promise<T> => {
    const store = world.store
    if (!store?.process.isAlive()) return Promise.reject(new Error('no storage process answers'))
    const answer = askProcess(world, store.process, () => question(store.serve))
    const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('no answer in time')), 3_000))
    return Promise.race([answer, late])
  }
  return {
    aggregates: (query) => asked((olap) => olap.aggregates(query)),
    sessions: (query) => asked((olap) => olap.sessions(query)),
    newestSessions: (query) => asked((olap) => olap.newestSessions(query)),
    events: (query) => asked((olap) => olap.events(query)),
    deadLetters: (query) => asked((olap) => olap.deadLetters(query)),
    corrections: (query) => asked((olap) => olap.corrections(query)),
    totals: (tenant) => asked((olap) => olap.totals(tenant)),
    positions: () => asked((olap) => olap.positions()),
    markers: (gateway) => asked((olap) => olap.markers(gateway)),
    ledger: (query) => asked((olap) => olap.ledger(query)),
    copies: (query) => asked((olap) => olap.copies(query)),
    definitions: (query) => asked((olap) => olap.definitions(query)),
    sql: (statement) => asked((olap) => olap.sql(statement)),
  }
}

/** The same share all the time, so that a session has one weight. */
const createShedding = ({ partitions, share }: World) => {
  const tenants = share < 1 ? [{ tenant: TENANT, share, since: 0, reason: '' }] : []
  const decisions = Array.from({ length: partitions }, (_, partition) => ({
    partition,
    owner: '',
    epoch: 1,
    tenants,
    at: 0,
  }))
  const shed = createShed({
    decisions: { decisions: () => decisions, onDecision: () => () => undefined },
    reports: {
      partitions: () => [],
      refused: () => undefined,
      storage: () => undefined,
      onReport: () => () => undefined,
    },
    partitions,
    seed: SEED,
    monotonic: () => 0,
  })
  return { shed, priorityOf: () => 'LOW' as const }
}

export interface Gateway extends Member {
  /** What it offers to its users, from the moment on when it serves. */
  services: Promise<Awaited<ReturnType<typeof compose>>>
  /** It listens: a request that comes before is refused. */
  serving(): boolean
}

const compose = async (world: World, name: string, { broker, logger }: Spawned) => {
  const { partitions } = world
  const clock = { now: Date.now }
  const log = createLogWriter(broker)
  const collector = createCollector({
    log,
    geoip: { country: () => undefined },
    clock,
    metrics: createCollectMetrics(new Registry()),
    intake: { note: () => undefined },
    checkSchema: createSchemaCheck([]),
    shedding: createShedding(world),
    partitions,
    processId: name,
  })
  const metrics = await createMetricStore(broker)
  const admin = createMetricAdmin({ metrics, log, partitions })
  await admin.completeUnfinished()
  admin.keepComplete(5_000, () => undefined)
  const reports = createReports(broker)
  const feed = createCheckpointFeed(broker)
  const horizonMs = (): number => HORIZON_MS
  const view = createLiveView({ feed, metrics, partitions, clock, horizonMs, reports, log: logger })
  const reader = createMetricReader({
    view,
    metrics,
    olap: createReader(world),
    clock,
    deploymentId: DEPLOYMENT_ID,
    horizonMs,
  })
  return { collector, admin, metrics, view, reader, log }
}

/** A gateway as infra/compose/gateway.main.ts composes it, without sockets. */
export const startGateway = (world: World, name: string): Gateway => {
  const spawned = world.spawn(name)
  const { process } = spawned
  const services = process.run(() => compose(world, name, spawned))
  let serving = false
  void services.then(
    () => {
      serving = true
    },
    (error: Error) => {
      world.say(`${name} ends: ${error.message}`)
      process.kill()
    },
  )
  return {
    process,
    services,
    serving: () => serving && process.isAlive(),
    async stop() {
      const { collector, view } = await services
      await collector.drain(12_000)
      await view.close()
    },
  }
}
