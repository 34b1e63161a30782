import { createOlapClient } from '#infra/nats/olap-client.ts'
import { describeHole } from '#processors/storage/holes.ts'
import { formatTime } from '#schema/time.ts'
import { type OptionSpec, optionsHelp, readArgs } from '../lib/args.ts'
import { connectToStart } from '../lib/nats.ts'

const OPTIONS = {
  data: { value: 'DIR', help: 'data folder of the start to ask [.millrace]' },
  nats: { value: 'URL', help: 'its nats-server instead' },
  acknowledge: { help: 'take note of all of them: they are no alarm any more' },
  json: { help: 'only one JSON object: {"holes": […], "acknowledged": n}' },
} satisfies Record<string, OptionSpec>

const HELP = `npm run holes -- [options]

Tells which acknowledged messages of the log the store of a running Millrace does not have.

${optionsHelp(OPTIONS)}`

const main = async (argv: string[]): Promise<void> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) return console.log(HELP)
  const nats = await connectToStart('millrace holes', {
    data: args.text('data') ?? '.millrace',
    nats: args.text('nats'),
  })
  try {
    const olap = createOlapClient(nats)
    const acknowledged = args.has('acknowledge') ? await olap.acknowledgeHoles() : 0
    const holes = await olap.holes()
    if (args.has('json')) return console.log(JSON.stringify({ holes, acknowledged }))
    for (const hole of holes) {
      const noted = hole.acknowledgedAt === null ? '' : ` (acknowledged ${formatTime(hole.acknowledgedAt)})`
      console.log(`${formatTime(hole.foundAt)} ${describeHole(hole)}${noted}`)
    }
    if (holes.length === 0) console.log('The store lacks nothing.')
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
