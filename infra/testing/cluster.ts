import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findNatsServer } from '../nats/binary.ts'
import { until } from './until.ts'

const HOST = '127.0.0.1'
const NODES = [0, 1, 2]

/** Three real nats-servers on loopback that keep streams together. They do not sync: a cluster rests on its replicas. */
interface TestCluster extends AsyncDisposable {
  /** Of all, with commas between. */
  url: string
  /** SIGKILL; resolves when it is gone. */
  kill(node: number): Promise<void>
  /** Starts it again; resolves when it has caught up. */
  start(node: number): Promise<void>
}

const freePorts = async (count: number): Promise<number[]> => {
  const servers = Array.from({ length: count }, () => createServer().listen(0, HOST))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

export const startTestCluster = async (): Promise<TestCluster> => {
  const binary = await findNatsServer({ env: process.env, say: console.error })
  const folder = await mkdtemp(join(tmpdir(), 'millrace-cluster-'))
  const ports = await freePorts(3 * NODES.length)
  const [client, route, monitor] = [0, 3, 6].map((from) => ports.slice(from, from + 3))
  const routes = route.map((port) => `nats://${HOST}:${port}`).join(', ')
  const running = new Map<number, ChildProcess>()
  const isHealthy = (node: number): Promise<boolean> =>
    fetch(`http://${HOST}:${monitor[node]}/healthz`, { signal: AbortSignal.timeout(2_000) }).then(({ ok }) => ok)

  const launch = async (node: number): Promise<void> => {
    const file = join(folder, `${node}.conf`)
    await writeFile(
      file,
      `server_name: n${node}
listen: "${HOST}:${client[node]}"
http: "${HOST}:${monitor[node]}"
jetstream { store_dir: ${JSON.stringify(join(folder, String(node)))} }
cluster { name: test, listen: "${HOST}:${route[node]}", routes: [${routes}] }
`,
    )
    running.set(node, spawn(binary, ['-c', file], { stdio: 'ignore', env: { ...process.env, GOMEMLIMIT: '256MiB' } }))
  }
  const kill = async (node: number): Promise<void> => {
    const child = running.get(node)
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const dispose = async (): Promise<void> => {
    await Promise.all(NODES.map(kill))
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await Promise.all(NODES.map(launch))
    await until('the cluster is healthy', async () => (await Promise.all(NODES.map(isHealthy))).every(Boolean))
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    url: client.map((port) => `nats://${HOST}:${port}`).join(','),
    kill,
    async start(node) {
      await launch(node)
      await until(`node ${node} has caught up`, () => isHealthy(node))
    },
    [Symbol.asyncDispose]: dispose,
  }
}
