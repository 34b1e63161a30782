import { availableParallelism } from 'node:os'
import { optionsHelp, readArgs, runMain, UsageError } from '#scripts/lib/args.ts'
import { createProgress } from '#scripts/lib/progress.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { mutate } from './mutate.ts'
import { MUTATIONS, type Mutation } from './mutations.ts'
import { runSeeds } from './pool.ts'
import type { Outcome } from './run.ts'

const OPTIONS = {
  seeds: { value: 'N', help: 'how many seeds are run [1000]; with --mutations at most so many for each guard' },
  seed: { value: 'FIRST', help: 'the first seed [1]' },
  story: { help: 'tell what happens in the first seed, line by line, and run no other' },
  without: { value: 'GUARD', help: 'with --story: take away this guard first' },
  mutations: { help: 'take away one guard after the other and count the seeds until that is noticed' },
  workers: { value: 'N', help: 'threads [one for each core]' },
  json: { help: 'print nothing but the JSON report' },
}

const HELP = `Runs the real processes' code on a simulated clock, network and NATS server, with faults from a seed,
and compares all that comes out with a naive model. The same seed gives the same run.

npm run simulate -- --seeds 10000

${optionsHelp(OPTIONS)}

The last line of stdout is a JSON object. Exit code 0: no seed failed (with --mutations: every one was noticed);
1: some did; 2: wrong usage.`

/** Of the seeds that fail; all of them stand in the report. */
const MOST_TOLD = 20

interface Run {
  first: number
  seeds: number
  workers: number
  output: { write(text: string): void; isTTY?: boolean }
}

const sum = (outcomes: readonly Outcome[], of: (outcome: Outcome) => number): number =>
  outcomes.reduce((total, outcome) => total + of(outcome), 0)

const simulate = async ({ first, seeds, workers, output }: Run) => {
  const outcomes: Outcome[] = []
  const progress = createProgress({ output })
  let told = 0
  const onOutcome = (outcome: Outcome): void => {
    outcomes.push(outcome)
    progress.update({ done: outcomes.length, total: seeds, events: sum(outcomes, ({ events }) => events), retries: 0 })
    if (outcome.failures.length > 0 && ++told <= MOST_TOLD)
      output.write(`\nseed ${outcome.seed}: ${outcome.failures.slice(0, 3).join('; ')}\n`)
  }
  await runSeeds({ first, count: seeds, workers, onOutcome })
  progress.end()
  const failed = outcomes.filter(({ failures }) => failures.length > 0).map(({ seed }) => seed)
  const report = {
    seeds: outcomes.length,
    failures: failed.length,
    failedSeeds: failed.sort((a, b) => a - b),
    events: sum(outcomes, ({ events }) => events),
    checkpoints: sum(outcomes, ({ checkpoints }) => checkpoints),
    faults: sum(outcomes, ({ faults }) => faults),
    retries: sum(outcomes, ({ retries }) => retries),
    simulatedHours: Math.round(sum(outcomes, ({ simulatedMs }) => simulatedMs) / 36_000) / 100,
  }
  const { failedSeeds: _, ...numbers } = report
  output.write(`${renderTable(Object.entries(numbers))}\n`)
  return { report, isGood: failed.length === 0 }
}

/** Seeds until a run without the guard fails; null when none of them does. */
const seedsUntilFound = async (guard: string, { first, seeds, workers }: Run) => {
  let run = 0
  let found: Outcome | undefined
  const onOutcome = (outcome: Outcome): void => {
    run++
    if (outcome.failures.length > 0) found ??= outcome
  }
  await runSeeds({ first, count: seeds, workers, guard, onOutcome, isEnough: () => found !== undefined })
  return { guard, seeds: found ? run : null, firstSeed: found?.seed ?? null, failure: found?.failures[0] ?? null }
}

const proveGuards = async (run: Run) => {
  const mutations: Awaited<ReturnType<typeof seedsUntilFound>>[] = []
  for (const { guard } of MUTATIONS) {
    const proof = await seedsUntilFound(guard, run)
    mutations.push(proof)
    run.output.write(
      `${guard}: ${proof.seeds ?? 'not found after'} ${proof.seeds ? `seeds: ${proof.failure}` : run.seeds}\n`,
    )
  }
  const unfound = mutations.filter(({ seeds }) => seeds === null).length
  return { report: { mutations, unfound }, isGood: unfound === 0 }
}

const mutationOf = (guard: string): Mutation => {
  const found = MUTATIONS.find((one) => one.guard === guard)
  if (found) return found
  throw new UsageError(
    `--without: expected one of ${MUTATIONS.map((one) => `"${one.guard}"`).join(', ')}, got "${guard}"`,
  )
}

const main = async (argv: string[]): Promise<number> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) {
    console.log(HELP)
    return 0
  }
  const run: Run = {
    first: args.whole('seed', 1, 0, 2 ** 31),
    seeds: args.whole('seeds', 1_000, 1, 10_000_000),
    workers: args.whole('workers', availableParallelism(), 1, 64),
    output: args.has('json') ? { write: () => undefined } : process.stderr,
  }
  if (args.has('story')) {
    const without = args.text('without')
    if (without !== undefined) mutate(mutationOf(without))
    const { runSeed } = await import('./run.ts')
    const outcome = await runSeed(run.first, (line) => run.output.write(`${line}\n`))
    console.log(JSON.stringify(outcome))
    return outcome.failures.length === 0 ? 0 : 1
  }
  const { report, isGood } = await (args.has('mutations') ? proveGuards(run) : simulate(run))
  console.log(JSON.stringify(report))
  return isGood ? 0 : 1
}

await runMain(main)
