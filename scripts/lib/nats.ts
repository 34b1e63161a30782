import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { UsageError } from './args.ts'

const CONNECT_MS = 5_000

const urlIn = async (data: string): Promise<string> => {
  const file = join(data, 'endpoints.json')
  try {
    const { nats } = JSON.parse(await readFile(file, 'utf8')) as { nats?: string }
    if (nats) return nats
  } catch {
    // Told below.
  }
  throw new UsageError(`${file} names no nats-server: start Millrace first, or name its --data folder or --nats URL`)
}

/**
 * A connection to the nats-server of a running Millrace: the one that is named, else the one of a local start. Throws
 * UsageError when nothing answers there; what was begun then keeps the process alive.
 */
export const connectToStart = async (name: string, { data, nats }: { data: string; nats?: string }): Promise<Nats> => {
  const url = nats ?? (await urlIn(data))
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(new UsageError(`nothing answers at ${url}: is Millrace running?`)),
    CONNECT_MS,
  )
  try {
    return await Promise.race([connectNats(url, name), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
