import { parseArgs } from 'node:util'
import { createOlapClient } from '#infra/nats/olap-client.ts'
import { UsageError } from '../lib/args.ts'
import { connectToStart } from '../lib/nats.ts'
import { formatTable } from './table.ts'

const HELP = `npm run sql -- [options] "SELECT …"

Asks the OLAP store of a running Millrace one question in DuckDB's SQL. It can only read.
Tables and examples: docs/analysts.md.

  --data DIR   data folder of the start to ask; its endpoints.json says where it is   [.millrace]
  --nats URL   its nats-server instead
  --json       only one JSON object: {"columns": […], "rows": [[…], …]}
  --help`

const options = {
  data: { type: 'string', default: '.millrace' },
  nats: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

const readArguments = (argv: string[]) => {
  try {
    return parseArgs({ args: argv, options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; --help shows all`)
  }
}

const main = async (argv: string[]): Promise<void> => {
  const { values, positionals } = readArguments(argv)
  if (values.help) return console.log(HELP)
  if (positionals.length !== 1) {
    throw new UsageError(`expected one statement in quotes, got ${positionals.length}; --help shows all`)
  }
  const nats = await connectToStart('millrace sql', values)
  try {
    const { columns, rows } = await createOlapClient(nats).sql(positionals[0])
    console.log(values.json ? JSON.stringify({ columns, rows }) : formatTable(columns, rows))
    if (!values.json) console.error(`${rows.length} row${rows.length === 1 ? '' : 's'}`)
  } finally {
    await nats.close()
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  // A connection that was never made keeps the process alive.
  process.exit(1)
}
