import { setTimeout as delay } from 'node:timers/promises'
import { optionsHelp, readArgs, UsageError } from '#scripts/lib/args.ts'
import { createCollectorClient, DeliveryError } from '#scripts/lib/collector.ts'
import { findCollector } from '#scripts/lib/local.ts'
import { runDemo } from './demo.ts'
import { createShop } from './shop.ts'

const OPTIONS = {
  data: { value: 'DIR', help: 'data folder of a local start: tells address and key [.millrace]' },
  url: { value: 'URL', help: 'address of the collector' },
  key: { value: 'KEY', help: 'write key' },
  rate: { value: 'N', help: 'events a second, on average over the day of the shop [40]' },
  seed: { value: 'N', help: 'another seed tells another story [1]' },
}

const HELP = `Sends the traffic of a made-up shop until it is stopped: visits with page views, clicks, orders and pings;
some events are late, some are sent twice.

${optionsHelp(OPTIONS)}

The last line of stdout is a JSON object.`

/** How long the request under way may take after the demo was stopped. */
const STOP_MS = 2_000

const main = async (argv: string[]): Promise<void> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) return console.log(HELP)
  if (args.rest.length > 0) throw new UsageError(`unknown argument ${args.rest[0]}; --help shows all`)
  const eventsPerSecond = args.whole('rate', 40, 1, 100_000)
  const seed = args.whole('seed', 1, 0, 0xffff_ffff)
  const address = await findCollector({
    url: args.text('url'),
    key: args.text('key'),
    data: args.text('data') ?? '.millrace',
  })
  const stop = stopSignals()
  const outage = createOutage()
  const client = createCollectorClient({
    ...address,
    patienceMs: Number.POSITIVE_INFINITY,
    signal: stop.now,
    onRetry: outage.began,
  })
  const shop = createShop({ seed, eventsPerSecond, startMs: Date.now() })
  const startedAt = performance.now()
  const totals = await runDemo({ shop, client, signal: stop.soon, sleep, onProgress: outage.ended })
  const seconds = Math.round(performance.now() - startedAt) / 1000
  console.log(JSON.stringify({ ...totals, retries: client.retries(), seconds }))
}

const sleep = async (ms: number, signal: AbortSignal): Promise<void> => {
  await delay(ms, undefined, { signal }).catch(() => {})
}

/** `soon`: begin nothing new. `now`: the request under way has had its time. */
const stopSignals = () => {
  const [soon, now] = [new AbortController(), new AbortController()]
  const stop = () => {
    soon.abort()
    setTimeout(() => now.abort(), STOP_MS).unref()
  }
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, stop)
  return { soon: soon.signal, now: now.signal }
}

/** Says once that the collector is away, and once that it is back. */
const createOutage = () => {
  let away = false
  return {
    began: (reason: string) => {
      if (!away) console.error(`demo: trying again: ${reason}`)
      away = true
    },
    ended: () => {
      if (away) console.error('demo: the collector answers again')
      away = false
    },
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError || error instanceof DeliveryError)) throw error
  console.error(error.message)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
