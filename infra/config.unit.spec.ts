import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { ConfigError, druidOf, helpText, loadConfig, scaleOf, toFlags } from './config.ts'

test('defaults hold when nothing is said', () => {
  expect(loadConfig([], {})).toEqual({
    port: 4000,
    grpcPort: 4001,
    host: '127.0.0.1',
    data: resolve('.millrace'),
    natsUrl: undefined,
    natsMonitorUrl: undefined,
    natsPort: 4222,
    partitions: 8,
    processors: scaleOf(availableParallelism()),
    gateways: scaleOf(availableParallelism()),
    sharePort: false,
    demo: false,
    highEvents: [],
    lowEvents: [],
    shedLagMs: 5_000,
    shedCalmMs: 10_000,
    inFlightBytes: 64_000_000,
    keyEventsPerSecond: 0,
    keyBytesPerSecond: 0,
    checkpointMs: 150,
    idleMs: 10_000,
    importIdleMs: 120_000,
    leaseMs: 3_000,
    logDays: 7,
    aggregatesHours: 24,
    lateDays: 14,
    rawDays: 30,
    minuteDays: 90,
    hourDays: 365,
    markerMs: 1_000,
    archive: undefined,
    archiveMs: 60_000,
    archiveBytes: 64_000_000,
    archiveDays: 365,
    archiveEndpoint: undefined,
    logLevel: 'info',
    adminPort: 0,
    kafkaPort: undefined,
    kafkaAdvertise: undefined,
    kafkaNode: 1,
    kafkaUsers: undefined,
    kafkaTlsCert: undefined,
    kafkaTlsKey: undefined,
    otlpEndpoint: undefined,
    traceRatio: 0.01,
  })
})

test('a small machine starts one gateway and one processor, a larger one more', () => {
  expect([1, 2, 4, 7, 8, 16, 32, 256].map(scaleOf)).toEqual([1, 1, 1, 1, 2, 4, 8, 8])
})

test('a flag wins over its environment variable, in both spellings', () => {
  const env = { MILLRACE_NATS_PORT: '1', MILLRACE_IDLE_MS: '500', MILLRACE_DEMO: '' }
  const config = loadConfig(['--nats-port', '7', '--data=x y', '--demo'], env)
  expect(config).toMatchObject({ natsPort: 7, idleMs: 500, data: resolve('x y'), demo: true })
  expect(loadConfig(['--no-demo'], { MILLRACE_DEMO: 'true' }).demo).toBe(false)
})

test('an archive is a folder from where the user stands, a bucket, or none', () => {
  const archiveOf = (archive: string) => loadConfig([`--archive=${archive}`], {}).archive
  expect(archiveOf('lake')).toBe(resolve('lake'))
  expect(archiveOf('gs://bucket')).toBe('gs://bucket')
  expect(archiveOf('gs://my-bucket/some/prefix')).toBe('gs://my-bucket/some/prefix')
  expect(archiveOf('none')).toBe('none')
  expect(() => archiveOf('gs://')).toThrow('expected gs://bucket/prefix')
})

test('names of events stand with commas between, and an empty list is none', () => {
  const env = { MILLRACE_HIGH_EVENTS: 'order,refund', MILLRACE_LOW_EVENTS: 'scroll' }
  expect(loadConfig([], env)).toMatchObject({ highEvents: ['order', 'refund'], lowEvents: ['scroll'] })
  expect(loadConfig(['--low-events='], env).lowEvents).toEqual([])
})

test('a variable of a standard counts where there is no own one', () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4318', OTEL_TRACES_SAMPLER_ARG: '0.5' }
  expect(loadConfig([], env)).toMatchObject({ otlpEndpoint: 'http://a:4318', traceRatio: 0.5 })
  expect(loadConfig([], { ...env, MILLRACE_OTLP_ENDPOINT: 'http://b:1' }).otlpEndpoint).toBe('http://b:1')
  expect(loadConfig(['--trace-ratio', '.1'], env).traceRatio).toBe(0.1)
})

test.each([
  [['--prot', '4000'], {}, 'unknown argument --prot; --help shows all'],
  [['4000'], {}, 'unknown argument 4000; --help shows all'],
  [['--no-port'], {}, 'unknown argument --no-port; --help shows all'],
  [['--port'], {}, '--port needs a value: --port PORT'],
  [['--port', '--demo'], {}, '--port needs a value: --port PORT'],
  [['--port', '70000'], {}, '--port: expected 0 to 65535, got "70000"'],
  [['--partitions', '1e1'], {}, '--partitions: expected a whole number, got "1e1"'],
  [['--nats-url', 'localhost'], {}, '--nats-url: expected nats://host:port, got "localhost"'],
  [
    ['--low-events=page_view,Click'],
    {},
    '--low-events: expected names of events as page_view,click, got "page_view,Click"',
  ],
  [['--low-events=a,,b'], {}, '--low-events: expected names of events as page_view,click, got "a,,b"'],
  [
    ['--low-events=a,b'],
    { MILLRACE_HIGH_EVENTS: 'c,b' },
    '--high-events, --low-events: expected each name in one of them, got "b" in both',
  ],
  [['--trace-ratio', '1.5'], {}, '--trace-ratio: expected 0 to 1, got "1.5"'],
  [
    [],
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'a:4317' },
    'OTEL_EXPORTER_OTLP_ENDPOINT: expected http://host:port, got "a:4317"',
  ],
  [[], { MILLRACE_PORT: 'x' }, 'MILLRACE_PORT: expected a whole number, got "x"'],
  [[], { MILLRACE_DEMO: 'yes' }, 'MILLRACE_DEMO: expected true or false, got "yes"'],
  [
    [],
    { MILLRACE_LOG_LEVEL: 'loud' },
    'MILLRACE_LOG_LEVEL: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"',
  ],
])('%j with %j is refused by name', (argv, env, message) => {
  expect(() => loadConfig(argv, env)).toThrow(new ConfigError(message))
})

test.each([
  [[], {}, null],
  [['--olap=duckdb'], {}, null],
  [['--olap=druid'], {}, 'http://127.0.0.1:8888'],
  [['--druid-url=http://d:1'], {}, 'http://d:1'],
  [[], { MILLRACE_DRUID_URL: 'http://d:1' }, 'http://d:1'],
  [[], { MILLRACE_OLAP: 'duckdb', MILLRACE_DRUID_URL: 'http://d:1' }, null],
])('%j with %j: the Druid that is the store is %s', (argv, env, url) => {
  expect(druidOf(loadConfig(argv, env))).toBe(url)
})

test('a config survives the way to a child process', () => {
  const flags = ['--demo', '--nats-url', 'nats://a:1,nats://b:2', '--data', 'x y', '--low-events', 'scroll,move']
  const config = loadConfig(flags, { MILLRACE_PORT: '0' })
  expect(loadConfig(toFlags(config), {})).toEqual(config)
})

test('the help text names every setting with its flag, variable and default', () => {
  const lines = helpText().split('\n')
  expect(lines).toHaveLength(Object.keys(loadConfig([], {})).length)
  expect(lines[0]).toMatch(/^ {2}--port PORT +MILLRACE_PORT +GraphQL.*\[4000\]$/)
})
