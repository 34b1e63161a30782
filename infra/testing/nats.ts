import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNatsServer } from '../nats/binary.ts'
import { type NatsServer, startNatsServer } from '../nats/server.ts'

/** A real nats-server of one test, on a free port and a folder of its own, every write synced. */
export interface TestNats extends AsyncDisposable {
  readonly url: string
  readonly monitorUrl: string
  readonly dataDir: string
  readonly pid: number
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same port and data; kills it first when it runs. */
  restart(): Promise<void>
}

export const startTestNats = async (): Promise<TestNats> => {
  const binary = await findNatsServer({ env: process.env, say: console.error })
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-nats-'))
  const start = (port: number, monitorPort: number) =>
    startNatsServer({ binary, dataDir, port, monitorPort, memoryLimit: '512MiB', env: process.env })
  let server: NatsServer = await start(0, 0)
  return {
    dataDir,
    url: server.url,
    monitorUrl: `http://127.0.0.1:${server.monitorPort}`,
    get pid() {
      return server.pid
    },
    kill: () => server.kill(),
    restart: async () => {
      await server.kill()
      server = await start(server.port, server.monitorPort)
    },
    [Symbol.asyncDispose]: async () => {
      await server.kill()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
