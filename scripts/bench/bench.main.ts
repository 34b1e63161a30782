import { optionsHelp, readArgs, UsageError } from '#scripts/lib/args.ts'
import type { Bench } from './bench.ts'

/** Loaded when they are asked for. */
const BENCHES: Record<string, () => Promise<Bench>> = {
  e2e: async () => (await import('./e2e/e2e.ts')).e2eBench,
  ingest: async () => (await import('./ingest/ingest.ts')).ingestBench,
  processor: async () => (await import('./processor/processor.ts')).processorBench,
  storage: async () => (await import('./storage/storage.ts')).storageBench,
  takeover: async () => (await import('./takeover/takeover.ts')).takeoverBench,
  windows: async () => (await import('./windows.ts')).windowsBench,
  sessions: async () => (await import('./sessions.ts')).sessionsBench,
  recovery: async () => (await import('./recovery/recovery.ts')).recoveryBench,
  kafka: async () => (await import('./kafka.ts')).kafkaBench,
  'event-status': async () => (await import('./event-status.ts')).eventStatusBench,
  druid: async () => (await import('./druid/druid.ts')).druidBench,
  push: async () => (await import('./gateway/push.ts')).pushBench,
  ranges: async () => (await import('./gateway/ranges.ts')).rangesBench,
  query: async () => (await import('./gateway/query.ts')).queryBench,
  graphql: async () => (await import('./gateway/graphql.ts')).graphqlBench,
}
const JSON_ONLY = { json: { help: 'print nothing but the JSON line' } }

const help = async (): Promise<string> => {
  const benches = await Promise.all(Object.entries(BENCHES).map(async ([name, load]) => [name, await load()] as const))
  const parts = benches.map(
    ([name, { summary, options }]) => `${name}: ${summary}\n${optionsHelp({ ...options, ...JSON_ONLY })}`,
  )
  return `Measures a part of Millrace on this machine.

npm run bench -- NAME [options]

${parts.join('\n\n')}

The last line of stdout is a JSON object.`
}

const main = async ([name, ...argv]: string[]): Promise<void> => {
  if (name === undefined || name === '--help') return console.log(await help())
  const load = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined
  if (!load) throw new UsageError(`expected one of ${Object.keys(BENCHES).join(', ')}, got "${name}"; --help shows all`)
  const bench = await load()
  const args = readArgs(argv, { ...bench.options, ...JSON_ONLY })
  if (args.has('help')) return console.log(await help())
  const quiet = args.has('json')
  const result = await bench.run(args, (line) => {
    if (!quiet) process.stderr.write(`${line}\n`)
  })
  console.log(JSON.stringify({ bench: name, ...result }))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 2
}
