import type { Broker } from '#infra/nats/broker.ts'
import type { Random } from '#scripts/demo/random.ts'
import { BEGIN_MS } from '../kernel/globals.ts'
import { createProcess } from '../kernel/process.ts'
import { createScheduler } from '../kernel/scheduler.ts'
import { createSimBroker } from './broker.ts'
import { createConnection, FAIR } from './connection.ts'
import { createServer } from './server.ts'
import { allStreams } from './streams.ts'

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** A simulated server of one partition in fair weather, whose time goes on by itself while a test awaits it. */
export const openSimulatedServer = (random: Random) => {
  const scheduler = createScheduler()
  const server = createServer(allStreams(1), () => Math.floor(BEGIN_MS + scheduler.now()), random)
  const process = createProcess(scheduler, random, 'test', 0)
  const connection = createConnection(server, process, scheduler, random, { ...FAIR })
  const broker: Broker = createSimBroker(server, connection, random)
  let over = false
  const drive = async (): Promise<void> => {
    while (!over) {
      await scheduler.run(() => over, Number.POSITIVE_INFINITY)
      await turn()
    }
  }
  void drive()
  return {
    broker,
    async restart(): Promise<void> {
      server.crash()
      server.start()
      connection.reconnect()
    },
    async remove(): Promise<void> {
      over = true
    },
  }
}
