import { optionsHelp, readArgs, runMain, UsageError } from '#scripts/lib/args.ts'
import { createCollectorClient } from '#scripts/lib/collector.ts'
import { findCollector } from '#scripts/lib/local.ts'
import { createProgress } from '#scripts/lib/progress.ts'
import { renderTable } from '#scripts/lib/table.ts'
import { openContent } from './content.ts'
import { FORMATS, type FormatName } from './formats.ts'
import { type ImportReport, runImport } from './import.ts'

const OPTIONS = {
  format: { value: 'NAME', help: `how lines are written: ${Object.keys(FORMATS).join(', ')}` },
  data: { value: 'DIR', help: 'data folder of a local start: tells address and key [.millrace]' },
  url: { value: 'URL', help: 'address of the collector' },
  key: { value: 'KEY', help: 'write key' },
  source: { value: 'NAME', help: 'name of the import [import- and the hash of the content]' },
  batch: { value: 'N', help: 'events of one request [500]' },
  patience: { value: 'SECONDS', help: 'how long a request is tried again [120]' },
  json: { help: 'print nothing but the JSON report' },
}

const HELP = `Sends a file's events in order. Imported again, it counts nothing twice.

npm run import -- --format apache-combined FILE

FILE may be packed with gzip; without it, or as -, standard input is read.

${optionsHelp(OPTIONS)}

The last line of stdout is a JSON object. Exit code 0: every line came in; 1: some did not; 2: wrong usage.`

const main = async (argv: string[]): Promise<number> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) {
    console.log(HELP)
    return 0
  }
  if (args.rest.length > 1) throw new UsageError(`expected one file, got ${args.rest.length}`)
  const format = FORMATS[formatName(args.text('format'))]
  const batchEvents = args.whole('batch', 500, 1, 5_000)
  const patienceMs = args.whole('patience', 120, 0, 86_400) * 1_000
  const address = await findCollector({
    url: args.text('url'),
    key: args.text('key'),
    data: args.text('data') ?? '.millrace',
  })
  const quiet = args.has('json')
  const output = quiet ? { write: () => {} } : process.stderr
  await using content = await openContent(args.rest[0], process.stdin)
  const source = args.text('source') ?? `import-${content.sha256.slice(0, 32)}`
  const client = createCollectorClient({ ...address, source, patienceMs, onRetry: sayFirst(output) })
  const progress = createProgress({ output })
  const report = await runImport({ content, format, client, batchEvents, onProgress: progress.update })
  progress.end()
  output.write(`${summary(report)}\n`)
  const { problems: _, ...json } = report
  console.log(JSON.stringify({ source, ...json }))
  return report.accepted === report.lines ? 0 : 1
}

const formatName = (text: string | undefined): FormatName => {
  if (text !== undefined && Object.hasOwn(FORMATS, text)) return text as FormatName
  throw new UsageError(`--format: expected ${Object.keys(FORMATS).join(' or ')}, got ${text ?? 'nothing'}`)
}

/** Retries are counted in the report; the first one also says why. */
const sayFirst = (output: { write(text: string): void }) => {
  let said = false
  return (reason: string) => {
    if (!said) output.write(`\ntrying again: ${reason}\n`)
    said = true
  }
}

const summary = (report: ImportReport): string => {
  const rows: [string, number][] = [
    ['lines', report.lines],
    ['accepted', report.accepted],
    ...Object.entries(report.verdicts),
    ['unparsed', report.unparsed],
    ['retries', report.retries],
  ]
  const problems = report.problems.map(({ line, problem }) => `line ${line}: ${problem}`)
  const failure = report.failure === undefined ? [] : [`stopped: ${report.failure}`]
  return [renderTable(rows), ...problems, ...failure].join('\n')
}

await runMain(main)
