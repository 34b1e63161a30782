import { startNatsServer } from '#infra/nats/server.ts'
import type { LogFile } from './log-file.ts'
import type { Service } from './supervise.ts'

const HOST = '127.0.0.1'

export interface NatsServiceOptions {
  /** From findNatsServer. */
  binary: string
  dataDir: string
  /** Asked once, at the first start. */
  choosePort: (host: string) => Promise<number>
  env: NodeJS.ProcessEnv
  log: LogFile
}

export interface NatsAddress {
  natsUrl: string
  natsMonitorUrl: string | undefined
}

/** nats-server as a service: every restart takes the ports of the first start, where clients look for it. */
export const natsService = (options: NatsServiceOptions): Service & { address(): NatsAddress } => {
  const { binary, dataDir, choosePort, env, log } = options
  let port: number | undefined
  let monitorPort = 0
  return {
    name: 'nats-server',
    start: async ({ signal, onPid }) => {
      port ??= await choosePort(HOST)
      const onLog = log.write
      const server = await startNatsServer({ binary, dataDir, port, monitorPort, env, signal, onPid, onLog })
      ;({ port, monitorPort } = server)
      const exited = server.exited.then(({ code, signal }) => signal ?? `exit code ${code}`)
      return { pid: server.pid, exited, stop: server.stop, kill: () => void server.kill() }
    },
    address: () => ({ natsUrl: `nats://${HOST}:${port}`, natsMonitorUrl: `http://${HOST}:${monitorPort}` }),
  }
}
