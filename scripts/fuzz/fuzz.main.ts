import { optionsHelp, readArgs, UsageError } from '#scripts/lib/args.ts'
import { openBench } from './bench.ts'
import { runRound } from './round.ts'

const OPTIONS = {
  seconds: { value: 'N', help: 'how long [60]' },
  seed: { value: 'N', help: 'of the first round; each further one counts up [1]' },
  events: { value: 'N', help: 'events of a round [500]' },
  json: { help: 'print nothing but the JSON report' },
}

const HELP = `Sends events that no client should send through the gateway's own door, and compares what JSON.parse, Python, the
fold, the live view and DuckDB make of those that it takes. It needs python3, and no server.

npm run fuzz -- --seconds 60 --seed 1

${optionsHelp(OPTIONS)}

The last line of stdout is a JSON object. Exit code 0: all agree; 1: they do not; 2: wrong usage.`

const main = async (argv: string[]): Promise<number> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) {
    console.log(HELP)
    return 0
  }
  const say = (line: string) => void (args.has('json') || process.stderr.write(`fuzz: ${line}\n`))
  const seed = args.whole('seed', 1, 0, 2 ** 31)
  const events = args.whole('events', 500, 1, 5_000)
  const until = performance.now() + args.whole('seconds', 60, 1, 86_400) * 1_000
  await using bench = await openBench()
  const report = { seed, rounds: 0, events: 0, accepted: 0, findings: 0, failedSeeds: [] as number[] }
  while (performance.now() < until) {
    const round = seed + report.rounds++
    const result = await runRound(bench, round, events)
    report.events += result.events
    report.accepted += result.accepted
    report.findings += result.findings.length
    if (result.findings.length > 0) report.failedSeeds.push(round)
    for (const { check, detail } of result.findings) say(`seed ${round}: ${check}: ${detail}`)
  }
  console.log(JSON.stringify(report))
  return report.findings === 0 ? 0 : 1
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(`fuzz: ${(error as Error).message}`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
