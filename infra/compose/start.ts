import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '#infra/config.ts'
import { findNatsServer } from '#infra/nats/binary.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { type Durability, readDurability } from '#infra/nats/durability.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { keptBy } from '#infra/retention.ts'
import { childService } from './child-process.ts'
import { type Mains, startChildren } from './children.ts'
import { createProcessTable, takeFolder, writeJson } from './data-folder.ts'
import { ensureKeys, type Keys } from './first-keys.ts'
import { openLogFile } from './log-file.ts'
import { type NatsAddress, natsService } from './nats-service.ts'
import { choosePort } from './ports.ts'
import { type Service, type ServiceEvent, type Supervised, supervise } from './supervise.ts'
import { type Endpoints, endpointsOf } from './welcome.ts'

export interface StartDependencies {
  config: Config
  mains: Mains
  env: NodeJS.ProcessEnv
  /** One line for the person at the terminal. */
  say: (line: string) => void
  /** Whether processes of this system can share a port; asked of the system where it is not given. */
  canShare?: (host: string) => Promise<boolean>
}

/** What a start leads to. */
export interface Product {
  endpoints: Endpoints
  keys: Keys
  durability: Durability
}

export interface Start {
  /** Resolves when all is ready; rejects, with nothing left running, when something cannot start or was stopped. */
  ready: Promise<Product>
  /** Drains: gateways first, then processors, storage, and nats-server. Also while the start is under way. */
  stop(): Promise<void>
  /** Ends all at once. */
  kill(): void
}

/** Starts everything. */
export const startProduct = (dependencies: StartDependencies): Start => {
  const { config } = dependencies
  const group = createGroup(dependencies)
  const endpointsFile = join(config.data, 'endpoints.json')
  const taken = takeFolder(config.data)
  const stop = async () => {
    const folder = await taken
    await rm(endpointsFile, { force: true })
    await group.stop()
    await folder.release()
  }
  const start = async (): Promise<Product> => {
    await rm(endpointsFile, { force: true })
    const nats = await startNats(dependencies, group)
    const prepared = prepare(config, nats)
    const children = startChildren(dependencies, group, nats)
    children.catch(() => {}) // when the deployment itself is refused, that is the reason to tell
    const { keys, durability } = await prepared
    const endpoints = endpointsOf(config.host, await children, nats.natsUrl)
    await writeJson(endpointsFile, endpoints)
    if (config.demo) await startDemo(dependencies, group)
    return { endpoints, keys, durability }
  }
  const ready = taken.then(() =>
    start().catch(async (error) => {
      // What fails after a stop fails because of it.
      const reason = group.isStopping() ? new Error('stopped', { cause: error }) : error
      await stop()
      throw reason
    }),
  )
  return { ready, stop, kill: group.kill }
}

type Group = ReturnType<typeof createGroup>

/** What runs, in the order in which it is stopped: by rank, lowest first. */
const createGroup = ({ config, say }: StartDependencies) => {
  const table = createProcessTable(config.data)
  const ranks = new Map<Supervised, number>()
  let stopping = false
  const onEvent = (event: ServiceEvent) => {
    if (event.kind === 'pid') table.set(event.name, event.pid)
    else if (event.kind === 'back') say(`${event.name} is back (pid ${event.pid})`)
    else say(`${event.name} died (${event.reason}); starting it again in ${event.retryMs} ms`)
  }
  return {
    /** Resolves when it serves for the first time. */
    add: async (rank: number, service: Service): Promise<void> => {
      if (stopping) throw new Error('stopped')
      const supervised = supervise(service, onEvent)
      ranks.set(supervised, rank)
      await supervised.ready.catch((error: Error) => {
        throw new Error(`${service.name} did not start: ${error.message}`, { cause: error })
      })
    },
    isStopping: () => stopping,
    log: (name: string) => openLogFile(join(config.data, 'logs'), name, say),
    stop: async () => {
      stopping = true
      for (const rank of [...new Set(ranks.values())].sort()) {
        await Promise.all([...ranks].map(([supervised, its]) => (its === rank ? supervised.stop() : undefined)))
      }
      await table.written()
    },
    kill: () => {
      stopping = true
      for (const supervised of ranks.keys()) supervised.kill()
    },
  }
}

const startNats = async ({ config, env, say }: StartDependencies, group: Group): Promise<NatsAddress> => {
  if (config.natsUrl !== undefined) return { natsUrl: config.natsUrl, natsMonitorUrl: config.natsMonitorUrl }
  const binary = await findNatsServer({ env, say })
  const dataDir = join(config.data, 'nats')
  await mkdir(dataDir, { recursive: true })
  const choose = (host: string) => choosePort(config.natsPort, host, say)
  const service = natsService({ binary, dataDir, choosePort: choose, env, log: group.log('nats-server') })
  await group.add(3, service)
  return service.address()
}

type Prepared = Pick<Product, 'keys' | 'durability'>

const prepare = async (config: Config, { natsUrl, natsMonitorUrl }: NatsAddress): Promise<Prepared> => {
  const nats = await connectNats(natsUrl, 'millrace supervisor')
  try {
    await ensureDeployment(nats, { partitions: config.partitions, kept: keptBy(config) })
    const keys = await ensureKeys(nats, config.data)
    return { keys, durability: await readDurability(natsMonitorUrl, nats.nc.info?.server_id) }
  } finally {
    await nats.close()
  }
}

/** It finds address and key in the data folder: secrets do not belong on command lines. */
const startDemo = ({ config, mains }: StartDependencies, group: Group): Promise<void> => {
  const args = () => [`--data=${config.data}`]
  return group.add(0, childService({ name: 'demo', main: mains.demo, args, log: group.log('demo'), reports: false }))
}
