import { parseArgs } from 'node:util'

/** The command line or what it points to cannot be used. The message is for the person who typed it. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** One option. With `value` it takes one, named so in the help text; without it is a switch. */
export interface OptionSpec {
  value?: string
  help: string
}

export interface Args<N extends string> {
  text(name: N): string | undefined
  /** A whole number within the bounds; throws UsageError for anything else. */
  whole(name: N, fallback: number, min: number, max: number): number
  has(name: N): boolean
  /** What stands beside the options. */
  rest: string[]
}

/** Reads the command line. Throws UsageError for unknown options and missing values. `--help` is always known. */
export const readArgs = <N extends string>(argv: string[], specs: Record<N, OptionSpec>): Args<N | 'help'> => {
  const options = Object.fromEntries(
    Object.entries<OptionSpec>(specs).map(([name, spec]) => [
      name,
      { type: spec.value ? 'string' : 'boolean' } as const,
    ]),
  )
  const { values, positionals } = parse(argv, { ...options, help: { type: 'boolean' } })
  const text = (name: string) => {
    const value = values[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    text,
    whole: (name, fallback, min, max) => wholeNumber(name, text(name), fallback, min, max),
    has: (name) => values[name] !== undefined,
    rest: positionals,
  }
}

const parse = (args: string[], options: Record<string, { type: 'string' | 'boolean' }>) => {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ', 1)[0]}; --help shows all`)
  }
}

const wholeNumber = (name: string, text: string | undefined, fallback: number, min: number, max: number): number => {
  if (text === undefined) return fallback
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new UsageError(`--${name}: expected a whole number from ${min} to ${max}, got "${text}"`)
}

/** The options as aligned lines for a help text. */
export const optionsHelp = (specs: Record<string, OptionSpec>): string => {
  const rows = Object.entries({ ...specs, help: { help: 'show this' } as OptionSpec }).map(
    ([name, { value, help }]) => [`  --${name}${value ? ` ${value}` : ''}`, help],
  )
  const width = Math.max(...rows.map(([option]) => option.length)) + 2
  return rows.map(([option, help]) => option.padEnd(width) + help).join('\n')
}

/** Runs a command to its exit code; 2, with one line on stderr, where the command line cannot be used. */
export const runMain = async (main: (argv: string[]) => Promise<number>): Promise<void> => {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(error.message)
    process.exitCode = 2
  }
}
