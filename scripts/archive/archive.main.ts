import { join } from 'node:path'
import { readManifests } from '#infra/archive/manifests.ts'
import { createParquetFiles } from '#infra/archive/parquet.ts'
import { openPlace } from '#infra/archive/place.ts'
import { createManifests } from '#processors/archive/documents.ts'
import { createUpkeep, UPKEEP } from '#processors/archive/upkeep.ts'
import type { ObjectStore } from '#processors/ports.ts'
import type { ArchiveManifest } from '#schema/archive.ts'
import { RETENTION } from '#schema/limits.ts'
import { type Args, type OptionSpec, optionsHelp, readArgs, runMain, UsageError } from '../lib/args.ts'
import { connectToStart } from '../lib/nats.ts'
import { renderTable } from '../lib/table.ts'
import { isInOrder, type VerifyResult } from './verify.ts'
import { verifyDeployment, withDuck } from './verify-deployment.ts'

const DAY_MS = 86_400_000

const OPTIONS = {
  archive: { value: 'PLACE', help: 'the archive: a folder or gs://bucket/prefix [archive/ in the data folder]' },
  'archive-endpoint': { value: 'URL', help: 'another address of the API of Google Cloud Storage: an emulator' },
  data: { value: 'DIR', help: 'data folder of the start whose log is compared [.millrace]' },
  nats: { value: 'URL', help: 'its nats-server instead' },
  days: { value: 'DAYS', help: `compact: events are kept for so long [${RETENTION.archive / DAY_MS}]` },
  json: { help: 'nothing but one JSON object on stdout' },
} satisfies Record<string, OptionSpec>

const HELP = `npm run archive -- verify|compact|ls [options]

  verify   compares the archive with its manifests and with the log of a running Millrace; exits with 1 where a line is
           missing, duplicated or wrong, or a file damaged
  compact  merges small files of each day, drops what is older than the retention, and removes files whose grace is over;
           may run beside a running Millrace, which does the same by itself
  ls       says what there is, by outcome, tenant and day

${optionsHelp(OPTIONS)}`

type Options = Args<keyof typeof OPTIONS | 'help'>

const say = (line: string): void => console.error(line)

/** The last line of stdout is one JSON object. */
const answer = (args: Options, table: string, result: object): void => {
  if (!args.has('json')) say(table)
  console.log(JSON.stringify(result))
}

const dataOf = (args: Options): string => args.text('data') ?? '.millrace'

const openStore = (args: Options): Promise<ObjectStore> =>
  openPlace(args.text('archive') ?? join(dataOf(args), 'archive'), { endpoint: args.text('archive-endpoint') })

const verify = async (args: Options): Promise<number> => {
  const store = await openStore(args)
  const nats = await connectToStart('millrace archive', { data: dataOf(args), nats: args.text('nats') })
  try {
    const result = await verifyDeployment(nats, store, { say })
    const { findings, ...numbers } = result
    for (const finding of findings) say(finding)
    const rows = Object.entries(numbers satisfies Omit<VerifyResult, 'findings'>)
    answer(args, renderTable(rows.map(([name, value]) => [name, value])), { archive: store.place, ...result })
    return isInOrder(result) ? 0 : 1
  } finally {
    await nats.close()
  }
}

const compact = async (args: Options): Promise<number> => {
  const store = await openStore(args)
  const days = args.whole('days', RETENTION.archive / DAY_MS, 1, 36_500)
  const result = await withDuck(async (duck, folder) =>
    createUpkeep({
      store,
      files: await createParquetFiles(duck, store, join(folder, 'spool')),
      manifests: createManifests(store),
      // Days that still get events as well.
      settings: { ...UPKEEP, quietMs: 0, retentionMs: days * DAY_MS },
      now: Date.now,
      inTurn: (work) => work(),
      signal: new AbortController().signal,
    }).pass(),
  )
  answer(args, renderTable(Object.entries(result)), { archive: store.place, ...result })
  return 0
}

const list = async (args: Options): Promise<number> => {
  const store = await openStore(args)
  const found: ArchiveManifest[] = []
  for await (const manifest of readManifests(store)) found.push(manifest)
  const sum = (of: (manifest: ArchiveManifest) => number): number =>
    found.reduce((total, manifest) => total + of(manifest), 0)
  const total = {
    files: sum(({ files }) => files.length),
    rows: sum(({ rows }) => rows),
    bytes: sum(({ bytes }) => bytes),
  }
  const table = renderTable([
    ['outcome', 'tenant', 'date', 'files', 'rows', 'bytes'],
    ...found.map(({ outcome, tenant, date, files, rows, bytes }) => [outcome, tenant, date, files.length, rows, bytes]),
    ['', '', 'total', total.files, total.rows, total.bytes],
  ])
  const groups = found.map(({ outcome, tenant, date, files, rows, bytes, duplicates }) => ({
    outcome,
    tenant,
    date,
    files: files.length,
    rows,
    bytes,
    duplicates,
  }))
  answer(args, table, { archive: store.place, ...total, groups })
  return 0
}

const COMMANDS: Record<string, (args: Options) => Promise<number>> = { verify, compact, ls: list }

const main = async (argv: string[]): Promise<number> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) {
    console.log(HELP)
    return 0
  }
  const [name, ...more] = args.rest
  const command = COMMANDS[name]
  if (!command || more.length > 0) throw new UsageError('expected one of verify, compact and ls; --help shows all')
  return command(args)
}

await runMain(main)
// A connection that was never made keeps the process alive.
process.exit()
