import { appendFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { optionsHelp, readArgs, runMain, UsageError } from '#scripts/lib/args.ts'
import { runChaos } from './chaos.ts'
import { PROCESSES, type ProcessKind } from './plan.ts'
import { SHOWN_PROBLEMS, summary } from './report.ts'

const OPTIONS = {
  seconds: { value: 'N', help: 'how long everything breaks [120]' },
  seed: { value: 'N', help: 'of events, clocks and faults [1]' },
  rate: { value: 'N', help: 'events a second [400]' },
  gateways: { value: 'N', help: 'gateways to start [2]' },
  processors: { value: 'N', help: 'window processors to start [2]' },
  outage: {
    value: 'PROCESS',
    help: 'one fault alone: gateway, processor, storage or nats-server stands still for all but 10 s',
  },
  keep: { help: 'keep the data folder even when all is well' },
  json: { help: 'print nothing but the JSON report' },
}

const HELP = `Starts the whole product in a folder of its own and sends events while its processes are killed and stopped,
and their connections to NATS are cut, slowed and frozen, and metrics are changed. Then counts: every event that was
acknowledged must be stored once, and every window of every kind must say what its events say, by the definition that
held where they stand in the log, in the store, in queries and on dashboards.

npm run chaos -- --seconds 120 --seed 1

${optionsHelp(OPTIONS)}

The last line of stdout is a JSON object. Exit code 0: all is well; 1: something is lost, twice or different (then the
data folder is kept, with all logs); 2: wrong usage.`

const INTERRUPTED = 130

const outageOf = (name: string | undefined): ProcessKind | undefined => {
  const found = PROCESSES.find((process) => process === name)
  if (name !== undefined && !found)
    throw new UsageError(`--outage: expected one of ${PROCESSES.join(', ')}, got ${name}`)
  return found
}

const main = async (argv: string[]): Promise<number> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) {
    console.log(HELP)
    return 0
  }
  const quiet = args.has('json')
  const say = (line: string) => void (quiet || process.stderr.write(`chaos: ${line}\n`))
  const seed = args.whole('seed', 1, 0, 2 ** 31)
  const seconds = args.whole('seconds', 120, 1, 86_400)
  const rate = args.whole('rate', 400, 1, 100_000)
  const gateways = args.whole('gateways', 2, 1, 16)
  const processors = args.whole('processors', 2, 1, 64)
  const outage = outageOf(args.text('outage'))
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-chaos-'))
  const since = performance.now()
  const log = (line: string) =>
    appendFileSync(
      join(dataDir, 'chaos.log'),
      `${((performance.now() - since) / 1000).toFixed(2).padStart(7)}  ${line}\n`,
    )
  const interrupted = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort())
  const { signal } = interrupted
  let keep = true
  try {
    const options = { seed, seconds, rate, gateways, processors, outage, dataDir, env: process.env, signal, say, log }
    const report = await runChaos(options)
    for (const problem of report.problems) log(problem)
    keep = args.has('keep') || report.problems.length > 0
    if (!quiet) process.stderr.write(`${summary(report)}\n`)
    console.log(JSON.stringify({ ...report, problems: report.problems.slice(0, SHOWN_PROBLEMS) }))
    return report.problems.length > 0 ? 1 : 0
  } catch (error) {
    keep = args.has('keep') || !signal.aborted
    if (signal.aborted) return INTERRUPTED
    log(String((error as Error).stack))
    const failure = (error as Error).message
    console.error(`chaos: ${failure}`)
    console.log(JSON.stringify({ seed, seconds, failure }))
    return 1
  } finally {
    if (keep) say(`all data and logs are in ${dataDir}`)
    else await rm(dataDir, { recursive: true, force: true })
  }
}

await runMain(main)
