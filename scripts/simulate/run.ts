import type { ControlRecord } from '#schema/frame.ts'
import { HEADERS, logStream } from '#schema/subjects.ts'
import { createRandom } from '#scripts/demo/random.ts'
import { modelOf } from './check/model.ts'
import { checkOutputs, headOf, settledLogs } from './check/outputs.ts'
import { checkStores } from './check/stores.ts'
import { runClients, type Sent } from './cluster/clients.ts'
import { type Cluster, startCluster } from './cluster/cluster.ts'
import { type Dashboard, openDashboards } from './cluster/dashboards.ts'
import { strikeFaults } from './cluster/faults.ts'
import { askProcess } from './cluster/rpc.ts'
import { HORIZON_MS, METRICS, OUT_OF_ORDERNESS_MS, TENANT } from './cluster/settings.ts'
import { createWorld, type Say, type World } from './cluster/world.ts'
import { replaceGlobals } from './kernel/globals.ts'

/** What one seed came to. */
export interface Outcome {
  seed: number
  failures: string[]
  events: number
  acknowledged: number
  retries: number
  faults: number
  checkpoints: number
  /** Simulated time, milliseconds. */
  simulatedMs: number
}

const SETUP_MS = 300_000
const TRAFFIC_MS = 900_000
/** Faults end before the traffic when that takes longer: apps must come through in the end. */
const FAULTS_MS = 90_000
const SETTLE_MS = 120_000
/** Longer than any pause between two tries of a reader. */
const QUIET_MS = 15_000

const partitionsOf = ({ partitions }: World): number[] => Array.from({ length: partitions }, (_, p) => p)

const SETTINGS: ControlRecord = {
  kind: 'tenant',
  tenant: TENANT,
  version: 1,
  latenessHorizonMs: HORIZON_MS,
  outOfOrdernessMs: OUT_OF_ORDERNESS_MS,
}

/** Tenant settings and metrics, as an administrator sends them until they are taken. */
const setUp = async (world: World, cluster: Cluster): Promise<void> => {
  for (let done = false; !done; ) {
    const gateway = cluster.gateways[0].current()
    const all = async (): Promise<void> => {
      const { admin, log } = await gateway.services
      for (const p of partitionsOf(world)) await log.appendControl(p, SETTINGS, `tenant-${p}`)
      for (const metric of METRICS) await admin.define(TENANT, metric)
    }
    done = await askProcess(world, gateway.process, all).then(
      () => true,
      () => false,
    )
    await world.scheduler.pause(1_000)
  }
}

/** The last message of a partition's log that is no tick: ticks come for ever. */
const lastContent = (world: World, partition: number): number => {
  const isTick = (text: string): boolean => text.startsWith('{"kind":"tick"')
  const { history } = world.server.stream(logStream(partition))
  const decoder = new TextDecoder()
  const last = history.findLast((one) => one.header(HEADERS.kind) !== 'control' || !isTick(decoder.decode(one.data)))
  return last?.seq ?? 0
}

const isFolded = (world: World): boolean =>
  partitionsOf(world).every((p) => (headOf(world, p)?.sequence ?? 0) >= lastContent(world, p))

/** Whether store and views have everything that is committed. */
const isRead = (world: World, views: readonly { positions: () => readonly number[] }[]): boolean =>
  partitionsOf(world).every((p) => {
    const checkpoint = headOf(world, p)?.checkpoint ?? 0
    const { positions, received } = world.disk
    const isStored = positions[p] === checkpoint && received[p] >= lastContent(world, p)
    return isStored && views.every((view) => view.positions()[p] === checkpoint)
  })

const viewsOf = async (cluster: Cluster) =>
  Promise.all(
    cluster.gateways.map(async (gateway) => {
      const { view } = await gateway.current().services
      return { positions: () => (view.isReady() ? view.moment(TENANT).positions : []) }
    }),
  )

interface Story {
  cluster: Cluster
  dashboards: Dashboard[]
  sent: Sent
  faults: number
}

/** Traffic and faults; resolves when the apps have sent all that they have and nothing is wrong any more. */
const tell = async (world: World): Promise<Story> => {
  const cluster = startCluster(world)
  await setUp(world, cluster)
  const dashboards = openDashboards(world, cluster)
  let over = false
  const calmAt = world.scheduler.now() + FAULTS_MS
  const faults = strikeFaults(world, cluster, () => over || world.scheduler.now() > calmAt)
  const sent = await runClients(world, cluster)
  over = true
  const struck = await faults
  // A definition that a fault left deleted comes back: dashboards wait for it.
  await setUp(world, cluster)
  return { cluster, dashboards, sent, faults: struck }
}

const expectReached = async (world: World, what: string, isTrue: () => boolean, limitMs: number): Promise<boolean> => {
  const until = world.scheduler.now() + limitMs
  const reached = await world.scheduler.run(() => isTrue() || world.failures.length > 0, until)
  if (!reached) world.failures.push(`stuck: ${what}`)
  return reached && world.failures.length === 0
}

/** Drives simulated time until a promise has settled. */
const drive = async <T>(world: World, what: string, promise: Promise<T>, limitMs: number): Promise<T | undefined> => {
  let value: T | undefined
  let settled = false
  promise.then(
    (result) => {
      value = result
      settled = true
    },
    (error: Error) => {
      world.failures.push(`${what}: ${error.stack}`)
      settled = true
    },
  )
  await expectReached(world, what, () => settled, limitMs)
  return value
}

const judge = async (world: World, { cluster, dashboards, sent }: Story): Promise<void> => {
  if (!(await expectReached(world, 'not all processes are back', cluster.isUp, SETTLE_MS))) return
  if (!(await expectReached(world, 'the log is not folded', () => isFolded(world), SETTLE_MS))) return
  const stops = Promise.all(cluster.processors.map((one) => one.stop()))
  await drive(world, 'the processors do not stop', stops, SETTLE_MS)
  const views = await drive(world, 'the gateways do not serve', viewsOf(cluster), SETTLE_MS)
  if (!views) return
  if (!(await expectReached(world, 'store or views do not catch up', () => isRead(world, views), SETTLE_MS))) {
    const heads = partitionsOf(world).map((p) => headOf(world, p)?.checkpoint ?? 0)
    world.failures.push(
      `committed ${heads}, stored ${world.disk.positions}, seen ${views.map((view) => `[${view.positions()}]`)}`,
    )
    return
  }
  const quietFrom = world.scheduler.now() + QUIET_MS
  await world.scheduler.run(() => world.failures.length > 0, quietFrom)
  const allWait = (): boolean => dashboards.every((one) => one.isWaiting())
  if (!(await expectReached(world, 'a dashboard does not come back', allWait, SETTLE_MS))) return
  const model = modelOf(settledLogs(world))
  checkOutputs(world, model)
  await drive(world, 'the checks do not end', checkStores(world, cluster, model, dashboards, sent), SETTLE_MS)
}

/** Runs one seed to its end. The same seed gives the same run, event by event. */
export const runSeed = async (seed: number, say?: Say): Promise<Outcome> => {
  const world = createWorld(seed, say)
  const restore = replaceGlobals(world.scheduler, createRandom(seed, 2))
  const onRejection = (error: unknown): void => {
    world.failures.push(`a promise was rejected and nobody saw it: ${error instanceof Error ? error.stack : error}`)
  }
  process.on('unhandledRejection', onRejection)
  try {
    const story = await drive(world, 'the traffic does not end', tell(world), SETUP_MS + TRAFFIC_MS)
    if (story && world.failures.length === 0) await judge(world, story)
    // A rejection that nobody sees is told a turn later.
    await world.scheduler.run(() => true, world.scheduler.now())
    const heads = partitionsOf(world).map((p) => headOf(world, p)?.checkpoint ?? 0)
    return {
      seed,
      failures: world.failures,
      events: world.disk.events.length,
      acknowledged: story?.sent.acknowledged.size ?? 0,
      retries: story?.sent.retries ?? 0,
      faults: story?.faults ?? 0,
      checkpoints: heads.reduce((all, one) => all + one, 0),
      simulatedMs: Math.round(world.scheduler.now()),
    }
  } finally {
    process.off('unhandledRejection', onRejection)
    restore()
  }
}
