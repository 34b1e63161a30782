import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { connectNats } from '#infra/nats/connect.ts'
import type { TestProduct } from '#infra/testing/product.ts'
import { readSettlements } from '#infra/testing/settlements.ts'
import type { Head } from '#schema/checkpoint.ts'
import { HEAD_KEY, stateBucket } from '#schema/subjects.ts'

const mainOf = (kind: string): string => fileURLToPath(new URL(`../../infra/compose/${kind}.main.ts`, import.meta.url))

export interface HandMade extends AsyncDisposable {
  pid: number
  /** What it has logged so far. */
  log(): string
}

/** A process beside the supervised ones, started by hand. */
const startByHand = (kind: string, { endpoints, dataDir }: TestProduct) => {
  const child: ChildProcess = fork(mainOf(kind), [`--nats-url=${endpoints.nats}`, `--data=${dataDir}`], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  // A stopped process takes no other signal.
  const end = () => child.kill('SIGKILL')
  onTestFinished(() => void end())
  const exited = once(child, 'exit')
  let log = ''
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk
  })
  const made: HandMade = {
    pid: child.pid!,
    log: () => log,
    [Symbol.asyncDispose]: async () => {
      end()
      await exited
    },
  }
  const ended = exited.then(() => Promise.reject(new Error(`the ${kind} ended: ${log}`)))
  ended.catch(() => {})
  return { made, ready: Promise.race([once(child, 'message'), ended]) }
}

/** Resolves when it is ready. */
export const startProcessor = async (product: TestProduct): Promise<HandMade> => {
  const { made, ready } = startByHand('processor', product)
  await ready
  return made
}

/** Another storage process on the same folder: it is ready when it has the lease. */
export const startStorage = (product: TestProduct): { storage: HandMade; ready: Promise<unknown> } => {
  const { made: storage, ready } = startByHand('storage', product)
  return { storage, ready }
}

/** Who owns each partition: what the heads say, which is what fences. */
export interface Owners extends AsyncDisposable {
  /** Pid and epoch of the owner of each partition that has one. */
  read(): Promise<{ pid: number; epoch: number }[]>
  /** What was committed, partition by partition, in the order in which it stands in the stream. */
  commits(): Promise<{ checkpoint: number; epoch: number }[][]>
}

export const watchOwners = async ({ endpoints }: TestProduct, partitions: number): Promise<Owners> => {
  const nats = await connectNats(endpoints.nats, 'e2e owners')
  const buckets = await Promise.all(Array.from({ length: partitions }, (_, p) => nats.kvm.open(stateBucket(p))))
  return {
    read: async () => {
      const entries = await Promise.all(buckets.map((bucket) => bucket.get(HEAD_KEY)))
      return entries.flatMap((entry) => {
        if (!entry) return []
        const { owner, epoch } = entry.json<Head>()
        // <host>-<pid>-<random>
        return [{ pid: Number(owner.split('-').at(-2)), epoch }]
      })
    },
    commits: () => Promise.all(buckets.map((_, partition) => readSettlements(nats, partition))),
    [Symbol.asyncDispose]: () => nats.nc.close(),
  }
}
