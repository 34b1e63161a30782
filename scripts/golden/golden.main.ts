import { readArgs, runMain, UsageError } from '../lib/args.ts'
import { renderTable } from '../lib/table.ts'
import { loadCases } from './cases.ts'
import { caseText } from './text.ts'

const HELP = `npm run golden -- [case]

Lists the golden cases, which say what windows, watermarks and measures must give; or shows one of them.
docs/semantics.md explains the rules by them; npm test runs them all.

  --flink  only those in which Flink gives something else, with what and why
  --help   show this`

await runMain(async (argv) => {
  const args = readArgs(argv, { flink: { help: '' } })
  if (args.has('help')) {
    console.log(HELP)
    return 0
  }
  const [wanted] = args.rest
  const cases = loadCases().filter(({ name, flink }) =>
    wanted === undefined ? flink || !args.has('flink') : name === wanted,
  )
  if (cases.length === 0) throw new UsageError(`there is no case ${wanted}; npm run golden lists them`)
  if (wanted === undefined && !args.has('flink')) {
    console.log(renderTable(cases.map(({ name, says, flink }) => [name, flink ? 'Flink differs' : '', says])))
    console.log(`${cases.length} cases`)
    return 0
  }
  for (const golden of cases) {
    console.log(`${golden.name}: ${golden.says}\n\n${caseText(golden)}\n`)
    if (golden.flink) console.log(`Flink gives ${golden.flink.gives}:\n${golden.flink.because}.\n`)
    if (wanted !== undefined && golden.like.length > 0) console.log(`Covered as well by ${golden.like.join(', ')}\n`)
  }
  return 0
})
