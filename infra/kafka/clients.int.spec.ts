import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { whyNoJava } from '#infra/testing/java.ts'
import { hasKcat } from '#infra/testing/kcat.ts'
import { until } from '#infra/testing/until.ts'
import { lineOf, openKafka, startDeployment, type TestDeployment } from './fixtures/deployment.ts'
import { fetchJavaClient, openJavaReader } from './fixtures/java-reader.ts'
import { hashPassword } from './users.ts'

const MAIN = join(import.meta.dirname, '../compose/kafka.main.ts')
const TLS = join(import.meta.dirname, 'fixtures/tls')
const why = await whyNoJava(process.env)
const noJava = why !== null && !process.env.CI
if (noJava) console.error(`skipped: the Java client of Kafka: ${why}`)
const noKcat = !hasKcat(process.env) && !process.env.CI
if (noKcat) console.error('skipped: kcat, which is not there (Debian: apt-get install kcat)')

let deployment: TestDeployment
let folder: string
let last: number
const servers = new Set<ChildProcess>()

/** A server in a process of its own; `port` 0: any free one. */
const launch = async (...flags: string[]) => {
  const all = [`--nats-url=${deployment.server.url}`, '--partitions=1', '--log-level=error', ...flags]
  const child = fork(MAIN, all, { execArgv: [] })
  servers.add(child)
  const [{ ports }] = (await once(child, 'message')) as [{ ports: { kafka: number; admin: number } }]
  return {
    ...ports,
    url: `127.0.0.1:${ports.kafka}`,
    async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
      const exited = once(child, 'exit')
      child.kill(signal)
      const [code] = await exited
      servers.delete(child)
      return code
    },
  }
}
const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
const kcat = (...args: string[]) => {
  const { stdout, stderr, status } = spawnSync('kcat', args, { encoding: 'utf8', timeout: 30_000 })
  return { lines: stdout.split('\n').filter((line) => line !== ''), stderr, status }
}
/** Five frames with a control record before the last and one behind it, and two messages of aggregates. */
const LINES = Array.from({ length: 5 }, (_, i) => lineOf(`e${i}`, i === 1 ? 'shop' : 'main'))

beforeAll(async () => {
  deployment = await startDeployment()
  folder = await mkdtemp(join(tmpdir(), 'millrace-kafka-'))
  const { writer } = deployment
  for (const line of LINES.slice(0, 4)) await writer.frame(line)
  await writer.frame('{"kind":"tick","clocks":[]}', 'control')
  await writer.frame(LINES[4])
  last = await writer.frame('{"kind":"tick","clocks":[]}', 'control')
  const rows = [{ lines: ['{"tenant":"main"}'] }, { lines: ['{"tenant":"shop"}'], tenant: 'shop' }]
  await writer.commit({ to: last, aggregates: rows })
  const users = [
    { name: 'ann', hash: await hashPassword('secret'), topics: ['user_events', 'aggregates'] },
    { name: 'sam', hash: await hashPassword('shop secret'), topics: ['user_events'], tenant: 'shop' },
  ]
  await writeFile(join(folder, 'users.json'), JSON.stringify({ users }))
})
afterAll(async () => {
  for (const child of servers) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
  await deployment?.[Symbol.asyncDispose]()
})
const secured = () => [
  `--kafka-users=${join(folder, 'users.json')}`,
  `--kafka-tls-cert=${join(TLS, 'cert.pem')}`,
  `--kafka-tls-key=${join(TLS, 'key.pem')}`,
]

describe.skipIf(noKcat)('kcat', () => {
  test('lists, reads to the end, and finds offsets by time', async () => {
    const server = await launch()
    expect(kcat('-b', server.url, '-L').lines.join('\n')).toMatch(/topic "user_events" with 1 partitions/)
    const read = kcat(
      '-b',
      server.url,
      '-C',
      '-t',
      'user_events',
      '-p',
      '0',
      '-o',
      'beginning',
      '-e',
      '-q',
      '-f',
      '%o %s\n',
    )
    expect(read.lines).toEqual([1, 2, 3, 4, 6].map((offset, i) => `${offset} ${LINES[i]}`))
    // Over the record behind which there is none: it is at the end.
    const rest = kcat('-b', server.url, '-C', '-t', 'user_events', '-p', '0', '-o', String(last), '-e', '-f', '%o\n')
    expect([rest.lines, rest.stderr]).toEqual([[], expect.stringContaining(`at offset ${last + 1}`)])
    const query = (time: number) => kcat('-b', server.url, '-Q', '-t', `user_events:0:${time}`).lines
    expect([query(-1), query(-2), query(1)]).toEqual([
      [`user_events [0] offset ${last + 1}`],
      ['user_events [0] offset 1'],
      ['user_events [0] offset 1'],
    ])
    expect(await server.kill('SIGTERM')).toBe(0)
  })

  test('is told at once that it may not write, and that there are no groups', async () => {
    const server = await launch()
    const produced = spawnSync('kcat', ['-b', server.url, '-P', '-t', 'user_events', '-p', '0'], {
      input: 'x',
      encoding: 'utf8',
      timeout: 30_000,
    })
    expect(produced.stderr).toContain('Topic authorization failed')
    const { status, stderr } = kcat('-b', server.url, '-G', 'group', 'user_events')
    expect([status, stderr]).toEqual([1, expect.stringContaining('this server keeps no groups')])
    await server.kill()
  })

  test('reads by TLS and with a password what the user may read, and nothing without', async () => {
    const server = await launch(...secured())
    const as = (name: string, password: string, ...args: string[]) =>
      kcat(
        ...['-b', server.url, '-X', 'security.protocol=SASL_SSL', '-X', `ssl.ca.location=${join(TLS, 'cert.pem')}`],
        ...['-X', 'sasl.mechanisms=PLAIN', '-X', `sasl.username=${name}`, '-X', `sasl.password=${password}`, ...args],
      )
    const read = ['-C', '-p', '0', '-o', 'beginning', '-e', '-q', '-f', '%o %s\n']
    expect(as('ann', 'secret', ...read, '-t', 'user_events').lines).toHaveLength(LINES.length)
    expect(as('sam', 'shop secret', ...read, '-t', 'user_events').lines).toEqual([`2 ${LINES[1]}`])
    expect(as('sam', 'shop secret', ...read, '-t', 'aggregates').stderr).toContain('Topic authorization failed')
    expect(as('ann', 'guess', '-L', '-m', '5').stderr).toContain('wrong name or password')
    await server.kill()
  })
})

describe.skipIf(noJava).each(['3.9.0', '4.1.2'])('the Java client %s', { timeout: 180_000 }, (version) => {
  beforeAll(() => fetchJavaClient(version), 600_000)

  test('assigns, seeks, reads in order, and finds offsets', async () => {
    const server = await launch()
    await using reader = await openJavaReader({ 'bootstrap.servers': server.url }, version)
    expect(await reader.ask('topics')).toBe('[aggregates, olap_aggregates, user_events]')
    expect(await reader.ask('partitions user_events')).toBe('1')
    expect(await reader.ask('admin user_events')).toBe(`1 ${last + 1}`)
    expect(await reader.ask('beginning user_events 0')).toBe('1')
    expect(await reader.ask('end user_events 0')).toBe(String(last + 1))
    expect(await reader.ask('time user_events 0 1')).toContain('offset=1')
    expect(await reader.ask(`time user_events 0 ${Date.now() + 60_000}`)).toBe('null')
    await reader.ask('assign user_events 0')
    await reader.ask('seek user_events 0 beginning')
    const records = await reader.poll(5)
    expect(records.map(({ value }) => value)).toEqual(LINES)
    expect(records.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 6])
    // The batch without records leads over the control record at the end.
    await until('it is at the end', async () => {
      await reader.poll(1, 200)
      return (await reader.ask('position user_events 0')) === `${last + 1} 0`
    })
    await reader.ask('seek user_events 0 4')
    expect((await reader.poll(2)).map(({ offset }) => offset)).toEqual([4, 6])
    await server.kill()
  })

  test('is told in its own words what there is not', async () => {
    const server = await launch()
    await using reader = await openJavaReader({ 'bootstrap.servers': server.url }, version)
    await reader.ask('assign user_events 0')
    await reader.ask('seek user_events 0 1000')
    expect(await reader.ask('poll 1 10000')).toContain('OffsetOutOfRangeException')
    expect(await reader.ask('committed user_events 0')).toContain('GroupAuthorizationException')
    await using member = await openJavaReader({ 'bootstrap.servers': server.url }, version)
    expect(await member.ask('subscribe user_events')).toContain('GroupAuthorizationException')
    await server.kill()
  })

  test('throws when a stream was made anew, and does not read what stands there now', async () => {
    await using other = await startDeployment()
    for (const line of LINES) await other.writer.frame(line)
    await other.writer.commit({ to: LINES.length })
    const kafka = await openKafka(other.nats)
    await using reader = await openJavaReader({ 'bootstrap.servers': `127.0.0.1:${kafka.port}` }, version)
    await reader.ask('assign user_events 0')
    await reader.ask('seek user_events 0 2')
    expect((await reader.poll(4)).map(({ offset }) => offset)).toEqual([2, 3, 4, 5])
    const { config } = await other.nats.jsm.streams.info('user_events_0')
    await other.nats.jsm.streams.delete('user_events_0')
    await other.nats.jsm.streams.add(config)
    for (const line of LINES) await other.writer.frame(line)
    await reader.ask('seek user_events 0 1')
    const said = await until('it says so', async () => {
      const answer = await reader.ask('poll 1 2000')
      return answer !== '' && answer
    })
    expect(said).toMatch(/^KafkaException: .*corrupt/i)
    await kafka.close()
  })

  test('reads by TLS and with a password, and goes on at another server when one is killed', async () => {
    const [first, second] = [await freePort(), await freePort()]
    const advertise = `--kafka-advertise=1=localhost:${first},2=localhost:${second}`
    const start = (node: number, port: number) =>
      launch(...secured(), advertise, `--kafka-node=${node}`, `--kafka-port=${port}`)
    const replicas = [await start(1, first), await start(2, second)]
    const security = {
      'security.protocol': 'SASL_SSL',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': join(TLS, 'cert.pem'),
      'sasl.mechanism': 'PLAIN',
    }
    const login = (name: string, password: string) =>
      `org.apache.kafka.common.security.plain.PlainLoginModule required username="${name}" password="${password}";`
    const settings = { 'bootstrap.servers': `localhost:${first}`, ...security }
    await using wrong = await openJavaReader({ ...settings, 'sasl.jaas.config': login('ann', 'guess') }, version)
    expect(await wrong.ask('topics')).toBe('SaslAuthenticationException: wrong name or password')
    await using reader = await openJavaReader({ ...settings, 'sasl.jaas.config': login('ann', 'secret') }, version)
    expect(await reader.ask('topics')).toBe('[aggregates, user_events]')
    await reader.ask('assign aggregates 0')
    await reader.ask('seek aggregates 0 beginning')
    const known = Number((await reader.ask('end aggregates 0')).trim())
    await reader.poll(2)
    for (const replica of replicas) {
      // Whichever it reads from is killed; the second round needs the first one back.
      await replica.kill()
      const head = await deployment.writer.commit({ aggregates: [{ lines: ['{"tenant":"main","n":1}'] }] })
      expect(head).toBeGreaterThan(known)
      expect((await reader.poll(1, 40_000)).map(({ offset }) => offset)).toEqual([head - 2])
      await start(replica === replicas[0] ? 1 : 2, replica.kafka)
    }
  })
})
