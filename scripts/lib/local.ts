import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from './args.ts'

export interface CollectorAddress {
  /** Of POST /v1/events. */
  url: string
  /** A write key. */
  key: string
}

export interface CollectorChoice {
  url?: string
  key?: string
  /** Data folder of a local start; its endpoints.json and keys.json fill in what is not given. */
  data: string
}

/** Where to send events. Throws UsageError when neither the command line nor the data folder tells. */
export const findCollector = async ({ url, key, data }: CollectorChoice): Promise<CollectorAddress> => ({
  url: collectorUrl(url ?? (await readEntry(data, 'endpoints.json', 'collector', '--url'))),
  key: key ?? (await readEntry(data, 'keys.json', 'writeKey', '--key')),
})

/** `http://host:4000` and the full address of the collector both mean the collector. */
const collectorUrl = (text: string): string => {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) throw new UsageError(`expected an http address, got "${text}"`)
  if (url.pathname === '/') url.pathname = '/v1/events'
  return url.href
}

const readEntry = async (folder: string, file: string, name: string, option: string): Promise<string> => {
  const path = join(folder, file)
  const hint = `Start Millrace first (npm start), or name its folder with --data, or give ${option}.`
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    throw new UsageError(`cannot read ${path}. ${hint}`)
  }
  const value = (JSON.parse(text) as Record<string, unknown>)[name]
  if (typeof value === 'string') return value
  throw new UsageError(`${path} has no ${name}. ${hint}`)
}
