import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensureKeys, type Keys } from '#infra/compose/first-keys.ts'
import { connectNats } from '#infra/nats/connect.ts'
import { ensureDeployment } from '#infra/nats/setup.ts'
import { startTestNats } from '#infra/testing/nats.ts'

const COMPOSE = fileURLToPath(new URL('../../../infra/compose/', import.meta.url))
export const PARTITIONS = 8

export type Part = 'gateway' | 'processor' | 'storage'

export interface RigOptions {
  /** Which processes are started, in this order; nats-server always is. */
  parts: readonly Part[]
  /** Folder of CPU profiles, written when the processes end. */
  profile?: string
  /** Folder of the data, which is removed at the end; a fresh one by default. */
  folder?: string
}

/** The product's own processes on a nats-server of their own, without a supervisor. */
export interface Rig extends AsyncDisposable {
  /** Of the gateway's HTTP server, and of its gRPC server. */
  port: number
  natsUrl: string
  grpcPort: number
  keys: Keys
  /** Processes by their name. */
  pids: Record<Part, number>
  natsPid: number
}

const portsOf = async (child: ChildProcess, name: Part): Promise<Record<string, number>> => {
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${name} ended before it was ready`)))
  const [message] = await Promise.race([once(child, 'message'), ended])
  return (message as { ports: Record<string, number> }).ports
}

/** Starts what was asked for; resolves when each has said that it is ready. Dispose ends all and removes their data. */
export const startRig = async ({ parts, profile, folder: given }: RigOptions): Promise<Rig> => {
  await using stack = new AsyncDisposableStack()
  const folder = given ?? (await mkdtemp(join(tmpdir(), 'millrace-bench-')))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const server = stack.use(await startTestNats())
  const nats = await connectNats(server.url, 'bench')
  await ensureDeployment(nats, { partitions: PARTITIONS })
  const keys = await ensureKeys(nats, folder)
  await nats.close()
  const rig = {
    port: 0,
    natsUrl: server.url,
    grpcPort: 0,
    keys,
    pids: { gateway: 0, processor: 0, storage: 0 },
    natsPid: server.pid,
  }
  for (const part of parts) {
    const address = [`--nats-url=${server.url}`, `--nats-monitor-url=${server.monitorUrl}`]
    const flags = [...address, `--partitions=${PARTITIONS}`, `--data=${folder}`, '--log-level=warn']
    const ports = part === 'gateway' ? ['--port=0', '--grpc-port=0'] : []
    const child = fork(join(COMPOSE, `${part}.main.ts`), [...flags, ...ports], {
      execArgv: profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`, `--cpu-prof-name=${part}.cpuprofile`] : [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const exited = once(child, 'exit')
    stack.defer(async () => {
      child.kill('SIGTERM')
      await exited
    })
    const { http, grpc } = await portsOf(child, part)
    if (part === 'gateway') Object.assign(rig, { port: http, grpcPort: grpc })
    rig.pids[part] = child.pid!
  }
  const owned = stack.move()
  return { ...rig, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
