import { type Config, druidOf, toFlags } from '#infra/config.ts'
import { childService, type Ports } from './child-process.ts'
import type { LogFile } from './log-file.ts'
import type { NatsAddress } from './nats-service.ts'
import { canSharePorts, choosePort } from './ports.ts'
import type { Service } from './supervise.ts'
import type { EndpointPorts } from './welcome.ts'

/** Main files of the children. */
export interface Mains {
  gateway: string
  processor: string
  storage: string
  kafka: string
  demo: string
}

interface ChildrenDependencies {
  config: Config
  mains: Mains
  /** One line for the person at the terminal. */
  say: (line: string) => void
  /** Whether processes of this system can share a port; asked of the system where it is not given. */
  canShare?: (host: string) => Promise<boolean>
}

/** Where children are kept running. */
interface ChildGroup {
  /** Resolves when it serves for the first time. `rank`: the order in which they are stopped, lowest first. */
  add(rank: number, service: Service): Promise<void>
  log(name: string): LogFile
}

/** Settings that are ports of a kind of child, and what the child calls them. */
const PORTS = {
  gateway: [
    ['port', 'http'],
    ['grpcPort', 'grpc'],
    ['adminPort', 'admin'],
  ],
  processor: [['adminPort', 'admin']],
  storage: [['adminPort', 'admin']],
  kafka: [
    ['kafkaPort', 'kafka'],
    ['adminPort', 'admin'],
  ],
} as const
type Kind = keyof typeof PORTS
type PortSetting = (typeof PORTS)[Kind][number][0]
type ChosenPorts = Partial<Pick<Config, PortSetting>>

const nameOf = (kind: string, index: number): string => (index === 0 ? kind : `${kind}-${index + 1}`)

/** Kafka's own. */
const KAFKA_PORT = 9_092

/** Druid reads what that server serves. */
const kafkaPortOf = (config: Config): number | undefined =>
  config.kafkaPort ?? (druidOf(config) === null ? undefined : KAFKA_PORT)

interface Child {
  name: string
  ports: ChosenPorts
}

/** Starts one child after the other has its ports; a restart takes the ports of the first start. */
const createStarter = ({ config, mains, say }: ChildrenDependencies, group: ChildGroup, address: NatsAddress) => {
  const taken = new Set<number>()
  const choose = async (wanted: number): Promise<number> => {
    const port = await choosePort(wanted, config.host, say, taken)
    taken.add(port)
    return port
  }
  const choosePorts = async (kind: Kind, index: number, known: Partial<Config>): Promise<ChosenPorts> => {
    const chosen: ChosenPorts = {}
    for (const [setting] of PORTS[kind]) {
      const wanted = known[setting] ?? config[setting] ?? 0
      chosen[setting] = index === 0 || wanted !== 0 ? await choose(wanted) : 0
    }
    return chosen
  }
  /** `shared`: ports that another child listens on already. */
  return async (
    rank: number,
    kind: Kind,
    index: number,
    known: Partial<Config> = {},
    shared: ChosenPorts = {},
  ): Promise<Child> => {
    const name = nameOf(kind, index)
    const ports = { ...(await choosePorts(kind, index, known)), ...shared }
    const onReady = (reported: Ports) => {
      for (const [setting, its] of PORTS[kind]) ports[setting] = reported[its] ?? ports[setting]
    }
    const args = () => toFlags({ ...config, ...known, ...address, ...ports })
    const onNotice = (text: string) => say(`${name}: ${text}`)
    const options = { name, main: mains[kind], args, log: group.log(name), reports: true, onReady, onNotice }
    await group.add(rank, childService(options))
    return { name, ports }
  }
}

type StartChild = ReturnType<typeof createStarter>

/**
 * All gateways at one address, each with a further one of its own. Where the system shares no port each further gateway
 * takes the next free one instead.
 */
const startGateways = async (
  { config, say, canShare = canSharePorts }: ChildrenDependencies,
  start: StartChild,
): Promise<Child[]> => {
  const { gateways, host } = config
  const further = Array.from({ length: gateways - 1 }, (_, i) => i + 1)
  if (gateways === 1) return [await start(0, 'gateway', 0)]
  if (!(await canShare(host))) {
    say('this system shares no port between processes: each further gateway takes the next free one')
    return Promise.all([0, ...further].map((index) => start(0, 'gateway', index)))
  }
  const known = { sharePort: true }
  // The first one makes sure of the ports, also where the system chooses them.
  const first = await start(0, 'gateway', 0, known)
  const { port, grpcPort } = first.ports
  const others = further.map((index) => start(0, 'gateway', index, known, { port, grpcPort }))
  return [first, ...(await Promise.all(others))]
}

/** All at once; each makes what it needs of the deployment when it is the first. Answers where they are reached. */
export const startChildren = async (
  dependencies: ChildrenDependencies,
  group: ChildGroup,
  address: NatsAddress,
): Promise<EndpointPorts> => {
  const { config } = dependencies
  const start = createStarter(dependencies, group, address)
  const processors = Array.from({ length: config.processors }, (_, index) => start(1, 'processor', index))
  const kafkaPort = kafkaPortOf(config)
  const kafka = kafkaPort === undefined ? undefined : start(2, 'kafka', 0, { kafkaPort })
  // It tells Druid where to read.
  const storage = Promise.resolve(kafka).then((its) => start(2, 'storage', 0, { kafkaPort: its?.ports.kafkaPort }))
  const gateways = startGateways(dependencies, start)
  const [[gateway], all] = await Promise.all([
    gateways,
    Promise.all([gateways, Promise.all(processors), storage, kafka]),
  ])
  const admin = Object.fromEntries(all.flat().flatMap((child) => (child ? [[child.name, child.ports.adminPort!]] : [])))
  return { http: gateway.ports.port!, grpc: gateway.ports.grpcPort!, kafka: (await kafka)?.ports.kafkaPort, admin }
}
