import { text } from 'node:stream/consumers'
import { hashPassword } from '#infra/kafka/users.ts'
import { type OptionSpec, optionsHelp, readArgs, runMain, UsageError } from '../lib/args.ts'

const OPTIONS = {
  topics: { value: 'LIST', help: 'topics that the user may read, with commas between [user_events,aggregates]' },
  tenant: { value: 'NAME', help: 'only lines of this tenant' },
  json: { help: 'nothing but the JSON line' },
} satisfies Record<string, OptionSpec>

const HELP = `npm run kafka-user -- NAME [options] < PASSWORD

Prints the entry of a user for the file that --kafka-users names; the password comes by stdin.

${optionsHelp(OPTIONS)}`

const main = async (argv: string[]): Promise<number> => {
  const args = readArgs(argv, OPTIONS)
  if (args.has('help')) {
    console.log(HELP)
    return 0
  }
  const [name, ...more] = args.rest
  if (name === undefined || more.length > 0) throw new UsageError('expected one name; --help shows all')
  const say = (line: string): void => {
    if (!args.has('json')) console.error(line)
  }
  if (process.stdin.isTTY) say('password, then Ctrl-D:')
  const password = (await text(process.stdin)).replace(/\r?\n$/, '')
  if (password === '') throw new UsageError('expected a password by stdin')
  const topics = (args.text('topics') ?? 'user_events,aggregates').split(',')
  const tenant = args.text('tenant')
  say('Put this into "users" of the file:')
  console.log(JSON.stringify({ name, hash: await hashPassword(password), topics, ...(tenant ? { tenant } : {}) }))
  return 0
}

await runMain(main)
