import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'
import { RETENTION } from '#schema/limits.ts'
import { NAME_PATTERN } from '#schema/subjects.ts'

/** Value of --archive: nothing is archived. */
export const NO_ARCHIVE = 'none'

/** A flag or an environment variable that cannot be used. The message is for the person who typed it. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConfigError'
  }
}

interface Setting<T> {
  /** From the text of a flag or an environment variable. */
  schema: z.ZodType<T, string>
  fallback: T
  /** How the value is written, for the help text. */
  type: string
  help: string
  /** A variable of somebody else's standard that is read where Millrace's own is not set. */
  standard?: string
}

const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'expected a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `expected ${min} to ${max}`)

const integer = (fallback: number, min: number, max: number, help: string, type = 'N'): Setting<number> => ({
  schema: whole(min, max),
  fallback,
  type,
  help,
})
const port = (fallback: number, help: string) => integer(fallback, 0, 65_535, `${help}; 0 = any free one`, 'PORT')
const ms = (fallback: number, min: number, max: number, help: string) => integer(fallback, min, max, help, 'MS')

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Streams count their age in nanoseconds, of which 64 bits hold 292 years. */
const MOST_DAYS = 36_500
const days = (fallbackMs: number, help: string) => integer(fallbackMs / DAY_MS, 1, MOST_DAYS, help, 'DAYS')

const perSecond = (help: string) => integer(0, 0, 1_000_000_000, `${help}; 0 = as many as it likes`)

/** On or off; off by default. */
const flag = (help: string): Setting<boolean> => ({
  schema: z.enum(['true', 'false', '1', '0'], 'expected true or false').transform((v) => v === 'true' || v === '1'),
  fallback: false,
  type: '',
  help,
})

const file = (help: string): Setting<string | undefined> => ({
  schema: z.string().min(1, 'expected a file').transform(absolute),
  fallback: undefined,
  type: 'FILE',
  help,
})

/** Names of events with commas between; empty: none. */
const eventNames = (help: string): Setting<readonly string[]> => ({
  schema: z
    .string()
    .transform((text) => (text === '' ? [] : text.split(',')))
    .refine((list) => list.every((name) => NAME_PATTERN.test(name)), 'expected names of events as page_view,click'),
  fallback: [],
  type: 'NAMES',
  help,
})

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

const natsUrl: Setting<string | undefined> = {
  schema: z.string().regex(/^(nats|tls|wss?):\/\/[^\s,]+(,[^\s,]+)*$/, 'expected nats://host:port'),
  fallback: undefined,
  type: 'URL',
  help: 'a NATS server of your own, 2.12 or newer with JetStream; none is started then',
}

const natsMonitorUrl: Setting<string | undefined> = {
  schema: z.string().regex(/^https?:\/\/\S+$/, 'expected http://host:port'),
  fallback: undefined,
  type: 'URL',
  help: 'monitoring address of that server (of a cluster: all, with commas between): tells whether it syncs every write',
}

const data: Setting<string> = {
  schema: z.string().min(1, 'expected a folder').transform(absolute),
  fallback: '.millrace',
  type: 'DIR',
  help: 'folder of the log, the stores, keys.json and endpoints.json',
}

/** `undefined`: a folder in the data folder. */
const archive: Setting<string | undefined> = {
  schema: z
    .string()
    .regex(/^(?!gs:)|^gs:\/\/[a-z0-9][a-z0-9._-]+[a-z0-9](\/[^\s?#]*)?$/, 'expected gs://bucket/prefix')
    .transform((text) => (text === NO_ARCHIVE || text.startsWith('gs://') ? text : absolute(text))),
  fallback: undefined,
  type: 'PLACE',
  help: `Parquet archive of all events: a folder, gs://bucket/prefix, or ${NO_ARCHIVE}; default: archive/ in the data folder`,
}

/** nats-server and storage want a core each beside a gateway and a processor, and DuckDB more while it is asked. */
const CORES_EACH = 4
/** Beyond it a machine has better uses for its cores, and there is no partition left for a processor. */
const MOST_EACH = 8

/** Gateways, and processors, that a machine with so many cores starts where nobody says how many. */
export const scaleOf = (cores: number): number => Math.min(MOST_EACH, Math.max(1, Math.floor(cores / CORES_EACH)))
const SCALE = scaleOf(availableParallelism())

/** Where `npm run druid -- up` starts one. */
const DRUID_URL = 'http://127.0.0.1:8888'

const OLAP_KINDS = ['duckdb', 'druid'] as const
/** `undefined`: druid where there is an address of one. */
const olap: Setting<(typeof OLAP_KINDS)[number] | undefined> = {
  schema: z.enum(OLAP_KINDS, `expected one of ${OLAP_KINDS.join(', ')}`),
  fallback: undefined,
  type: 'STORE',
  help: 'what answers questions about older windows and events: duckdb (embedded), or druid; default: duckdb',
}

/** The one table of settings: what is read, checked, and shown by --help. */
const SETTINGS = {
  port: port(4000, 'GraphQL, collector and dashboard'),
  grpcPort: port(4001, 'collector over gRPC'),
  host: {
    schema: z.string().min(1, 'expected an address'),
    fallback: '127.0.0.1',
    type: 'ADDRESS',
    help: 'address to listen on; 0.0.0.0 = all',
  } satisfies Setting<string>,
  data,
  natsUrl,
  natsMonitorUrl,
  natsPort: port(4222, 'port of the nats-server that is started'),
  partitions: integer(8, 1, 64, 'partitions of the log; fixed at the first start'),
  processors: integer(SCALE, 1, 64, 'window processors to start; default: one for every four cores, at most 8'),
  gateways: integer(SCALE, 1, 16, 'gateways to start, all at one address; default as for processors'),
  sharePort: flag('listen where other gateways of this machine listen; npm start sets it for --gateways'),
  demo: flag('send the believable traffic of a shop'),
  highEvents: eventNames('events that go first under pressure and are never shed, beside conversion'),
  lowEvents: eventNames('events of which only a share is kept when processors fall behind, beside ping'),
  shedLagMs: ms(5_000, 100, 86_400_000, 'a partition that is farther behind keeps only a share of low events'),
  shedCalmMs: ms(10_000, 100, 86_400_000, 'the share rises when it was less than half as far behind for so long'),
  inFlightBytes: integer(
    64_000_000,
    8_000_000,
    16_000_000_000,
    'what a gateway has under way at most, an eighth of it for high events; more is refused',
    'BYTES',
  ),
  keyEventsPerSecond: perSecond('events that a write key without a limit of its own may send in a second'),
  keyBytesPerSecond: perSecond('the same in bytes of requests'),
  checkpointMs: ms(150, 10, 10_000, 'time between checkpoints; up to twice that while they are large'),
  idleMs: ms(10_000, 100, 86_400_000, 'a source without events for so long holds no window back'),
  importIdleMs: ms(120_000, 100, 86_400_000, 'the same for imports and replays'),
  leaseMs: ms(3_000, 200, 600_000, 'an owner that is silent for so long loses its partitions'),
  markerMs: ms(1_000, 100, 60_000, 'time between the markers by which a gateway measures latency'),
  olap,
  druidUrl: {
    schema: z.string().regex(/^https?:\/\/\S+$/, 'expected http://host:port'),
    fallback: undefined,
    type: 'URL',
    help: `router of a Druid, which then is the store; of --olap druid: ${DRUID_URL}`,
  } satisfies Setting<string | undefined>,
  archive,
  archiveMs: ms(60_000, 100, 86_400_000, 'events are archived at the latest so long after they came'),
  archiveBytes: integer(64_000_000, 1_000, 1_000_000_000, 'or when so many bytes of a partition are there', 'BYTES'),
  archiveDays: days(RETENTION.archive, 'the archive keeps events for so long after they came'),
  archiveEndpoint: {
    schema: z.string().regex(/^https?:\/\/\S+$/, 'expected http://host:port'),
    fallback: undefined,
    type: 'URL',
    help: 'another address of the API of Google Cloud Storage, asked without credentials: an emulator',
  } satisfies Setting<string | undefined>,
  logLevel: {
    schema: z.enum(LEVELS, `expected one of ${LEVELS.join(', ')}`),
    fallback: 'info',
    type: 'LEVEL',
    help: LEVELS.join(', '),
  } satisfies Setting<(typeof LEVELS)[number]>,
  adminPort: port(0, 'metrics and health of each process; a gateway answers everything there'),
  kafkaPort: {
    schema: whole(0, 65_535),
    fallback: undefined,
    type: 'PORT',
    help: 'serve topics to Kafka consumers on this port; none = not at all; 0 = any free one',
  } satisfies Setting<number | undefined>,
  kafkaAdvertise: {
    schema: z.string().regex(/^\d+=[^,\s]+:\d+(,\d+=[^,\s]+:\d+)*$/, 'expected id=host:port,...'),
    fallback: undefined,
    type: 'LIST',
    help: 'addresses of all Kafka servers of this deployment as clients reach them: id=host:port,...',
  } satisfies Setting<string | undefined>,
  kafkaNode: integer(1, 0, 1_000_000, 'which of the advertised addresses is this one', 'ID'),
  kafkaUsers: file('who may read which topics by Kafka, see docs/kafka.md; none = everybody'),
  kafkaTlsCert: file('certificate chain (PEM) of the Kafka port; none = plain TCP'),
  kafkaTlsKey: file('private key (PEM) of that certificate'),
  logDays: days(RETENTION.log, 'the log and its settlements are kept for so long'),
  aggregatesHours: integer(
    RETENTION.aggregates / HOUR_MS,
    1,
    MOST_DAYS * 24,
    'changes of windows are kept for stores and gateways for so long; who was away longer folds the log again',
    'HOURS',
  ),
  lateDays: days(RETENTION.lateEvents, 'late and broken events wait for the store for so long'),
  rawDays: days(RETENTION.rawEvents, 'the store keeps events and dead letters for so long after they came'),
  minuteDays: days(RETENTION.minlyAggs, 'it keeps windows below an hour for so long after their last change'),
  hourDays: days(RETENTION.hourlyAggs, 'the same of windows of an hour and more, and of sessions'),
  otlpEndpoint: {
    schema: z.string().regex(/^https?:\/\/\S+$/, 'expected http://host:port'),
    fallback: undefined,
    type: 'URL',
    help: 'OpenTelemetry collector for traces (OTLP over HTTP, JSON); none = no traces',
    standard: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  } satisfies Setting<string | undefined>,
  traceRatio: {
    schema: z
      .string()
      .regex(/^(\d+(\.\d*)?|\.\d+)$/, 'expected a number')
      .transform(Number)
      .refine((value) => value <= 1, 'expected 0 to 1'),
    fallback: 0.01,
    type: 'SHARE',
    help: 'of the requests that bring no trace of their own, so many begin one',
    standard: 'OTEL_TRACES_SAMPLER_ARG',
  } satisfies Setting<number>,
} as const

/** Folders are named from where the user stands; children get them absolute. */
function absolute(folder: string): string {
  return resolve(folder)
}

type Name = keyof typeof SETTINGS
type Value<S> = S extends { schema: z.ZodType<infer T> } ? T : never

/** All settings, checked. Times are milliseconds, `data` is absolute. */
export type Config = { [N in Name]: Value<(typeof SETTINGS)[N]> }

const names = Object.keys(SETTINGS) as Name[]
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const flagOf = (name: Name) => `--${kebab(name)}`
const variableOf = (name: Name) => `MILLRACE_${kebab(name).replaceAll('-', '_').toUpperCase()}`
/** Millrace's own before that of a standard. */
const variablesOf = (name: Name): string[] => {
  const { standard }: Setting<unknown> = SETTINGS[name]
  return standard === undefined ? [variableOf(name)] : [variableOf(name), standard]
}
const isSwitch = (name: Name) => SETTINGS[name].type === ''
const byFlag = new Map<string, Name>(names.map((name) => [flagOf(name), name]))

const parse = <N extends Name>(name: N, text: string, said: string): Config[N] => {
  const result = SETTINGS[name].schema.safeParse(text)
  if (!result.success) throw new ConfigError(`${said}: ${result.error.issues[0].message}, got "${text}"`)
  return result.data as Config[N]
}

/** Text of each flag that was given; the last one of a name counts. */
const readFlags = (argv: readonly string[]): Map<Name, string> => {
  const found = new Map<Name, string>()
  for (let i = 0; i < argv.length; i++) {
    const [, flag, inline] = /^(--[^=]+)(?:=(.*))?$/s.exec(argv[i]) ?? []
    const negated = flag?.startsWith('--no-') ? byFlag.get(`--${flag.slice(5)}`) : undefined
    const name = flag === undefined ? undefined : byFlag.get(flag)
    if (negated && isSwitch(negated) && inline === undefined) found.set(negated, 'false')
    else if (!name) throw new ConfigError(`unknown argument ${argv[i]}; --help shows all`)
    else if (inline !== undefined) found.set(name, inline)
    else if (isSwitch(name)) found.set(name, 'true')
    else if (i + 1 < argv.length && !argv[i + 1].startsWith('--')) found.set(name, argv[++i])
    else throw new ConfigError(`${flag} needs a value: ${flag} ${SETTINGS[name].type}`)
  }
  return found
}

/**
 * Settings from flags, else from MILLRACE_* variables, else the defaults. An empty variable counts as not set.
 * Throws ConfigError for what is unknown or out of range.
 */
export const loadConfig = (argv: readonly string[], env: Record<string, string | undefined>): Config => {
  const flags = readFlags(argv)
  const entries = names.map((name) => {
    const flag = flags.get(name)
    if (flag !== undefined) return [name, parse(name, flag, flagOf(name))]
    for (const variable of variablesOf(name)) {
      const text = env[variable]
      if (text !== undefined && text !== '') return [name, parse(name, text, variable)]
    }
    return [name, name === 'data' ? absolute(SETTINGS.data.fallback) : SETTINGS[name].fallback]
  })
  const config = Object.fromEntries(entries) as Config
  checkPriorities(config)
  return config
}

const checkPriorities = ({ highEvents, lowEvents }: Config): void => {
  const both = highEvents.find((name) => lowEvents.includes(name))
  if (both === undefined) return
  throw new ConfigError(
    `${flagOf('highEvents')}, ${flagOf('lowEvents')}: expected each name in one of them, got "${both}" in both`,
  )
}

/** Of the Druid that is the store; null: DuckDB is. */
export const druidOf = ({ olap: kind, druidUrl }: Pick<Config, 'olap' | 'druidUrl'>): string | null => {
  if (kind === 'duckdb') return null
  return druidUrl ?? (kind === 'druid' ? DRUID_URL : null)
}

/** Flags that make loadConfig answer this very config, for child processes. */
export const toFlags = (config: Config): string[] =>
  names.filter((name) => config[name] !== undefined).map((name) => `${flagOf(name)}=${config[name]}`)

/** All settings with their defaults, ready to print. */
export const helpText = (): string => {
  const rows = names.map((name) => {
    const { type, fallback, help, standard }: Setting<unknown> = SETTINGS[name]
    const shown = fallback === undefined || fallback === false || `${fallback}` === '' ? '' : ` [${fallback}]`
    const also = standard === undefined ? '' : `; also ${standard}`
    return [`  ${flagOf(name)}${type === '' ? '' : ` ${type}`}`, variableOf(name), `${help}${also}${shown}`]
  })
  const width = (column: number) => Math.max(...rows.map((row) => row[column].length)) + 2
  const [first, second] = [width(0), width(1)]
  return rows.map(([flag, variable, help]) => flag.padEnd(first) + variable.padEnd(second) + help).join('\n')
}
