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
  restart(options?: SyncOption): Promise<void>
}

interface SyncOption {
  /** Instead of always: a server that acknowledges before its writes are on disk. */
  syncInterval?: string
}

interface TestNatsOptions extends SyncOption {
  /** Default: a fresh folder, removed at the end. A given one is kept. */
  dataDir?: string
}

export const startTestNats = async ({ dataDir: given, ...sync }: TestNatsOptions = {}): Promise<TestNats> => {
  const binary = await findNatsServer({ env: process.env, say: console.error })
  const dataDir = given ?? (await mkdtemp(join(tmpdir(), 'millrace-nats-')))
  const start = (ports: { port: number; monitorPort: number }, { syncInterval }: SyncOption) =>
    startNatsServer({ binary, dataDir, ...ports, syncInterval, memoryLimit: '512MiB', env: process.env })
  let server: NatsServer = await start({ port: 0, monitorPort: 0 }, sync)
  return {
    dataDir,
    url: server.url,
    monitorUrl: `http://127.0.0.1:${server.monitorPort}`,
    get pid() {
      return server.pid
    },
    kill: () => server.kill(),
    restart: async (options = sync) => {
      await server.kill()
      server = await start({ port: server.port, monitorPort: server.monitorPort }, options)
    },
    [Symbol.asyncDispose]: async () => {
      await server.kill()
      if (given === undefined) await rm(dataDir, { recursive: true, force: true })
    },
  }
}
