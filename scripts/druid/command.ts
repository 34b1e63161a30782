import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readDruid } from '#infra/druid/local/start.ts'
import { type Args, type OptionSpec, optionsHelp, readArgs, UsageError } from '../lib/args.ts'

/** A command of `npm run druid`. */
export interface Command {
  summary: string
  help: string
  /** Answers the exit code. Throws UsageError where the command line cannot be used. */
  run(argv: string[]): Promise<number>
}

const COMMON = {
  data: { value: 'DIR', help: 'data folder; the Druid is in its folder druid [.millrace]' },
  json: { help: 'print nothing but the JSON line' },
} satisfies Record<string, OptionSpec>

export const URL_OPTION = {
  url: { value: 'URL', help: 'router of a Druid [the one of the data folder]; overlord and broker in one' },
} satisfies Record<string, OptionSpec>

interface CommandSpec<N extends string> {
  summary: string
  options: Record<N, OptionSpec>
  /** `say` is for people. Answers what the JSON line says, and whether all is well. */
  run(
    args: Args<N | keyof typeof COMMON | 'help'>,
    say: (line: string) => void,
  ): Promise<{ result: object; isWell?: boolean }>
}

export const command = <N extends string>({ summary, options, run }: CommandSpec<N>): Command => {
  const all = { ...options, ...COMMON } as Record<N | keyof typeof COMMON, OptionSpec>
  return {
    summary,
    help: optionsHelp(all),
    run: async (argv) => {
      const args = readArgs(argv, all)
      if (args.rest.length > 0) throw new UsageError(`unknown argument ${args.rest[0]}; --help shows all`)
      if (args.has('help')) {
        console.log(`${summary}\n${optionsHelp(all)}`)
        return 0
      }
      const { result, isWell = true } = await run(args, (line) => {
        if (!args.has('json')) process.stderr.write(`${line}\n`)
      })
      console.log(JSON.stringify(result))
      return isWell ? 0 : 1
    },
  }
}

/** Where the Druid of a data folder keeps all that it has. */
export const druidFolder = (data: string | undefined): string => join(data ?? '.millrace', 'druid')

/** The Druid that is named, else that of the data folder. */
export const findDruid = async (url: string | undefined, data: string | undefined): Promise<string> => {
  if (url !== undefined) {
    if (!/^https?:\/\/\S+$/.test(url)) throw new UsageError(`--url: expected http://host:port, got "${url}"`)
    return url
  }
  const folder = druidFolder(data)
  const druid = await readDruid(folder)
  if (!druid) throw new UsageError(`there is no Druid in ${folder}: npm run druid -- up, or name one with --url`)
  return druid.url
}

/** Kafka servers of a running start, as its endpoints.json has them. */
export const findKafka = async (kafka: string | undefined, data: string | undefined): Promise<string> => {
  if (kafka !== undefined) return kafka
  const file = join(data ?? '.millrace', 'endpoints.json')
  const text = await readFile(file, 'utf8').catch(() => '{}')
  const { kafka: address } = JSON.parse(text) as { kafka?: string }
  if (address) return address.replace(/^\w+:\/\//, '')
  throw new UsageError(`${file} names no Kafka server: npm start -- --kafka-port 9092, or name one with --kafka`)
}
