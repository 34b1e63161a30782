import { createMemoryTables, type MemoryTables } from '#infra/memory/tables.ts'
import type { Broker } from '#infra/nats/broker.ts'
import type { Logger } from '#processors/ports.ts'
import type { OlapReader } from '#schema/olap.ts'
import { createRandom, type Random } from '#scripts/demo/random.ts'
import { BEGIN_MS } from '../kernel/globals.ts'
import { createProcess, type SimProcess } from '../kernel/process.ts'
import { createScheduler, type Scheduler } from '../kernel/scheduler.ts'
import { createSimBroker } from '../server/broker.ts'
import { type Connection, createConnection, FAIR, type Weather } from '../server/connection.ts'
import { createServer, type SimServer } from '../server/server.ts'
import { allStreams } from '../server/streams.ts'

/** A line of what happened, for who looks into a failed seed. */
export type Say = (line: string) => void

/** A new process with its connection to the server. */
export interface Spawned {
  process: SimProcess
  broker: Broker
  logger: Logger
}

/** Everything there is in one simulation: time, chance, the server, the disk, and the processes. */
export interface World {
  readonly partitions: number
  /** Share of the sessions that gateways keep; all events are LOW. */
  readonly share: number
  readonly scheduler: Scheduler
  readonly random: Random
  readonly server: SimServer
  readonly disk: MemoryTables
  /** The process that has the store open; only one can. */
  store: { process: SimProcess; serve: OlapReader } | undefined
  readonly connections: Map<SimProcess, Connection>
  /** Of every new connection, until a fault says otherwise. */
  readonly weather: Weather
  spawn(name: string): Spawned
  /** Why the run has failed, as soon as something is seen that must not be. */
  readonly failures: string[]
  say: Say
}

/** Only another owner may fence one: a write of one's own whose answer got lost is no reason. */
const isOwnFence = (name: string, message: string): boolean => {
  const [, other, owner, own] = /epoch (\d+) of (\S+), own epoch (\d+)/.exec(message) ?? []
  return owner === name && other === own
}

const ignore = (): void => undefined

/** In every fourth simulation events are shed. */
const shareOf = (seed: number): number => createRandom(seed, 2).pick([1, 1, 1, 1, 1, 1, 1 / 2, 1 / 4])

export const createWorld = (seed: number, say: Say = ignore): World => {
  const random = createRandom(seed, 1)
  const scheduler = createScheduler()
  const partitions = random.whole(1, 3)
  const server = createServer(allStreams(partitions), () => Math.floor(BEGIN_MS + scheduler.now()), random)
  const connections = new Map<SimProcess, Connection>()
  const failures: string[] = []
  const at = (line: string): void => say(`${(scheduler.now() / 1000).toFixed(3)} ${line}`)
  const weather: Weather = {
    ...FAIR,
    jitterMs: random.logUniform(0.3, 20),
    lostAnswers: random.chance(0.5) ? random.next() * 0.05 : 0,
    refusals: random.chance(0.3) ? random.next() * 0.1 : 0,
    silences: random.chance(0.3) ? random.next() * 0.01 : 0,
  }
  return {
    partitions,
    share: shareOf(seed),
    scheduler,
    random,
    server,
    disk: createMemoryTables(partitions),
    store: undefined,
    connections,
    weather,
    failures,
    say: at,
    spawn(name) {
      const process = createProcess(scheduler, random, name, random.whole(-1_500, 1_500))
      const connection = createConnection(server, process, scheduler, random, { ...weather })
      connections.set(process, connection)
      process.onEnd(() => connections.delete(process))
      const log = (level: string) => (fields: object, message: string) => {
        at(`${name} ${level}: ${message} ${say === ignore ? '' : JSON.stringify(fields)}`)
        if (isOwnFence(name, message)) failures.push(`${name} was fenced by itself: ${message}`)
      }
      const logger = { info: log('info'), warn: log('warn'), error: log('error') }
      return { process, broker: createSimBroker(server, connection, random), logger }
    },
  }
}
