import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'

const MAIN = new URL('import.main.ts', import.meta.url).pathname
const LINE = '83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 7 "-" "curl/8"'

let folder: string
let server: Server
let requests: { path: string; key: string | undefined; ids: string[] }[]
let busy: number

const record = async (request: IncomingMessage): Promise<number> => {
  const ids = (await text(request)).split('\n').map((line) => JSON.parse(line).id as string)
  requests.push({ path: request.url!, key: request.headers.authorization, ids })
  return ids.length
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-'))
  requests = []
  busy = 0
  server = createServer(async (request, response) => {
    const accepted = await record(request)
    response.statusCode = busy-- > 0 ? 503 : 200
    response.end(JSON.stringify(response.statusCode === 503 ? {} : { accepted, shed: 0, rejected: 0, verdicts: [] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const collector = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/events`
  await writeFile(join(folder, 'endpoints.json'), JSON.stringify({ collector }))
  await writeFile(join(folder, 'keys.json'), JSON.stringify({ writeKey: 'secret' }))
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

const run = (input: string, ...args: string[]) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, [MAIN, ...args], (_, stdout, stderr) =>
      resolve({ code: child.exitCode!, stdout, stderr }),
    )
    child.stdin!.end(input)
  })

test('standard input goes to the collector of the data folder; the last line of stdout is the report', async () => {
  busy = 1
  const { code, stdout, stderr } = await run(`${LINE}\n${LINE}\n`, '--format', 'apache-combined', '--data', folder)
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
  expect(report).toMatchObject({ lines: 2, sent: 2, accepted: 2, rejected: 0, shed: 0, unparsed: 0, retries: 1 })
  expect(report.source).toMatch(/^import-[0-9a-f]{32}$/)
  expect([code, requests.length]).toEqual([0, 2])
  expect(requests[1]).toMatchObject({ path: `/v1/events?source=${report.source}`, key: 'Bearer secret' })
  expect(new Set(requests[1].ids).size).toBe(2)
  expect(requests[0].ids).toEqual(requests[1].ids)
  expect(stderr).toMatch(/accepted +2/)
})

test('a file imported again is the same source with the same ids', async () => {
  const file = join(folder, 'log')
  await writeFile(file, `${LINE}\n`)
  const first = await run('', '--format=apache-combined', '--data', folder, '--json', file)
  const second = await run(`${LINE}\n`, '--format=apache-combined', '--data', folder, '--json')
  expect(first.stderr).toBe('')
  expect(JSON.parse(second.stdout).source).toBe(JSON.parse(first.stdout).source)
  expect(requests[0]).toEqual(requests[1])
})

test('the exit code tells when a line did not come in', async () => {
  const { code, stdout, stderr } = await run(`${LINE}\nnonsense\n`, '--format=apache-combined', '--data', folder)
  expect(code).toBe(1)
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ lines: 2, accepted: 1, unparsed: 1 })
  expect(stderr).toContain('line 2: expected: address')
})

test.each([
  [[], '--format: expected apache-combined or ndjson'],
  [['--format=ndjson', '--data=/nowhere/at/all'], 'Start Millrace first'],
  [['--format=ndjson', '--url=http://127.0.0.1:9', '--key=k', '/nowhere/at/all'], 'cannot read /nowhere/at/all'],
  [['--format=ndjson', 'one', 'two'], 'expected one file'],
])('%j is wrong usage: exit code 2 and what to do', async (args, message) => {
  const { code, stdout, stderr } = await run('', ...args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
})

test('--help shows every option', async () => {
  const { code, stdout } = await run('', '--help')
  expect(code).toBe(0)
  for (const option of ['--format', '--data', '--url', '--key', '--source', '--json']) expect(stdout).toContain(option)
})
