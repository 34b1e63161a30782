import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, druidOf, toFlags } from '#infra/config.ts'
import { findNatsServer } from '#infra/nats/binary.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { type Durability, readDurability } from '#infra/nats/durability.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { keptBy } from '#infra/retention.ts'
import { childService, type Ports } from './child-process.ts'
import { createProcessTable, takeFolder, writeJson } from './data-folder.ts'
import { ensureKeys, type Keys } from './first-keys.ts'
import { openLogFile } from './log-file.ts'
import { type NatsAddress, natsService } from './nats-service.ts'
import { choosePort } from './ports.ts'
import { type Service, type ServiceEvent, type Supervised, supervise } from './supervise.ts'
import { type EndpointPorts, type Endpoints, endpointsOf } from './welcome.ts'

/** Main files of the children. */
export interface Mains {
  gateway: string
  processor: string
  storage: string
  kafka: string
  demo: string
}

export interface StartDependencies {
  config: Config
  mains: Mains
  env: NodeJS.ProcessEnv
  /** One line for the person at the terminal. */
  say: (line: string) => void
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
    const { ports, keys, durability } = await startChildren(dependencies, group, nats)
    const endpoints = endpointsOf(config.host, ports, nats.natsUrl)
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

/** Settings that are ports of a kind of child, and what the child calls them. */
const PORTS = {
  gateway: [
    ['port', 'http'],
    ['grpcPort', 'grpc'],
  ],
  processor: [['adminPort', 'admin']],
  storage: [['adminPort', 'admin']],
  kafka: [
    ['kafkaPort', 'kafka'],
    ['adminPort', 'admin'],
  ],
} as const
type Kind = keyof typeof PORTS

const nameOf = (kind: string, index: number): string => (index === 0 ? kind : `${kind}-${index + 1}`)

/** Kafka's own. */
const KAFKA_PORT = 9_092

/** Druid reads what that server serves. */
const kafkaPortOf = (config: Config): number | undefined =>
  config.kafkaPort ?? (druidOf(config) === null ? undefined : KAFKA_PORT)

/** All at once; each makes what it needs of the deployment when it is the first. */
const startChildren = async (
  { config, mains, say }: StartDependencies,
  group: Group,
  address: NatsAddress,
): Promise<Prepared & { ports: EndpointPorts }> => {
  const taken = new Set<number>()
  const choose = async (wanted: number): Promise<number> => {
    const port = await choosePort(wanted, config.host, say, taken)
    taken.add(port)
    return port
  }
  const add = async (
    rank: number,
    kind: Kind,
    index: number,
    known: Partial<Config> = {},
  ): Promise<ReadonlyMap<string, number>> => {
    const name = nameOf(kind, index)
    const chosen = new Map<string, number>()
    for (const [setting] of PORTS[kind]) {
      const wanted = known[setting] ?? config[setting] ?? 0
      chosen.set(setting, index === 0 || wanted !== 0 ? await choose(wanted) : 0)
    }
    const onReady = (ports: Ports) => {
      for (const [setting, its] of PORTS[kind]) chosen.set(setting, ports[its] ?? chosen.get(setting))
    }
    const args = () => toFlags({ ...config, ...known, ...address, ...Object.fromEntries(chosen) })
    const onNotice = (text: string) => say(`${name}: ${text}`)
    const options = { name, main: mains[kind], args, log: group.log(name), reports: true, onReady, onNotice }
    await group.add(rank, childService(options))
    return chosen
  }
  const many = (rank: number, kind: 'gateway' | 'processor', count: number) =>
    Array.from({ length: count }, (_, index) => add(rank, kind, index))

  const prepared = prepare(config, address)
  const children = [...many(0, 'gateway', config.gateways), ...many(1, 'processor', config.processors)]
  const kafkaPort = kafkaPortOf(config)
  const kafka = kafkaPort === undefined ? undefined : add(2, 'kafka', 0, { kafkaPort })
  // It tells Druid where to read.
  const storage = Promise.resolve(kafka).then((its) => add(2, 'storage', 0, { kafkaPort: its?.get('kafkaPort') }))
  const all = Promise.all([...children, storage, kafka])
  all.catch(() => {}) // when the deployment itself is refused, that is the reason to tell
  const made = await prepared
  const [gateway] = await all
  const ports = {
    http: gateway!.get('port')!,
    grpc: gateway!.get('grpcPort')!,
    kafka: (await kafka)?.get('kafkaPort'),
  }
  return { ports, ...made }
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
