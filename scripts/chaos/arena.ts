import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openLogFile } from '#infra/compose/log-file.ts'
import { natsService } from '#infra/compose/nats-service.ts'
import { supervise } from '#infra/compose/supervise.ts'
import { endpointsOf } from '#infra/compose/welcome.ts'
import { findNatsServer } from '#infra/nats/binary.ts'
import { startProduct, type TestProduct } from '#infra/testing/product.ts'
import { until } from '#infra/testing/until.ts'
import { SOON } from './archive.ts'
import { type NatsProxy, openProxy } from './proxy.ts'

export const PARTITIONS = 8

export interface ArenaOptions {
  dataDir: string
  gateways: number
  processors: number
  env: NodeJS.ProcessEnv
  say: (line: string) => void
}

/** The whole product, with a door of ours between its processes and nats-server. */
export interface Arena extends AsyncDisposable {
  /** As it sees itself: its connections to NATS go through the proxy. */
  product: TestProduct
  /** The product through each of its gateways at its own address; the connection to NATS is the straight one. */
  views: TestProduct[]
  proxy: NatsProxy
  /** Pids of what runs now, nats-server included. */
  pids(): Record<string, number>
}

const HOST = '127.0.0.1'

const startNats = async ({ dataDir, env, say }: ArenaOptions) => {
  const binary = await findNatsServer({ env, say })
  const folder = join(dataDir, 'nats')
  await mkdir(folder, { recursive: true })
  const log = openLogFile(join(dataDir, 'logs'), 'nats-server', () => {})
  const service = natsService({ binary, dataDir: folder, choosePort: async () => 0, env, log })
  let pid: number | null = null
  const supervised = supervise(service, (event) => {
    if (event.kind === 'pid') pid = event.pid
  })
  await supervised.ready
  return { ...service.address(), pid: () => pid, stop: supervised.stop }
}

/**
 * Starts nats-server by the product's own means, the proxy before it, and the product with the proxy's address. Whatever
 * happens, dispose leaves no process behind; the folder stays.
 */
export const startArena = async (options: ArenaOptions): Promise<Arena> => {
  const { dataDir, gateways, processors } = options
  await using stack = new AsyncDisposableStack()
  const nats = await startNats(options)
  stack.defer(nats.stop)
  const proxy = stack.use(await openProxy(() => ({ host: HOST, port: Number(new URL(nats.natsUrl).port) })))
  const flags = [
    `--gateways=${gateways}`,
    `--processors=${processors}`,
    `--partitions=${PARTITIONS}`,
    SOON,
    `--nats-url=nats://${HOST}:${proxy.port}`,
    `--nats-monitor-url=${nats.natsMonitorUrl}`,
  ]
  const product = stack.use(await startProduct({ dataDir, flags }))
  const own = Object.entries(product.endpoints.admin).filter(([name]) => name.startsWith('gateway'))
  const views = own.map(([, address]) => ({
    ...product,
    endpoints: endpointsOf(HOST, { http: Number(new URL(address).port), grpc: 0, admin: {} }, nats.natsUrl),
  }))
  const pids = (): Record<string, number> => {
    const pid = nats.pid()
    return { ...product.pids(), ...(pid === null ? {} : { 'nats-server': pid }) }
  }
  await until('all processes run', () => Object.keys(pids()).length === gateways + processors + 2)
  const owned = stack.move()
  return { product, views, proxy, pids, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
