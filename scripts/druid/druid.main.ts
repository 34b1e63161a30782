import { UsageError } from '../lib/args.ts'
import { apply } from './apply.ts'
import { down } from './down.ts'
import { expire } from './expire.ts'
import { status } from './status.ts'
import { up } from './up.ts'

/** One of the commands: its options, and what it does. Answers the exit code. */
const COMMANDS = { up, down, status, apply, expire }

const HELP = `npm run druid -- COMMAND [options]

${Object.entries(COMMANDS)
  .map(([name, { summary, help }]) => `${name}: ${summary}\n${help}`)
  .join('\n\n')}

The last line of stdout is a JSON object. See docs/druid.md.`

const main = async ([name, ...argv]: string[]): Promise<number> => {
  if (name === undefined || name === '--help') {
    console.log(HELP)
    return 0
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    throw new UsageError(`expected one of ${Object.keys(COMMANDS).join(', ')}, got "${name}"; --help shows all`)
  }
  return COMMANDS[name as keyof typeof COMMANDS].run(argv)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error))
  process.exitCode = error instanceof UsageError ? 2 : 1
}
