import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openGeoIp } from '#infra/geoip/geoip.ts'
import { COUNTRIES } from './catalog.ts'
import { visitor } from './visitors.ts'

const MAIN = new URL('demo.main.ts', import.meta.url).pathname

let server: Server
let url: string
let answers: number[]
let batches: { status: number; ids: string[] }[]
let onBatch: () => void

beforeEach(async () => {
  answers = []
  batches = []
  server = createServer(async (request, response) => {
    const ids = (await text(request)).split('\n').map((line) => JSON.parse(line).id as string)
    response.statusCode = answers.shift() ?? 200
    batches.push({ status: response.statusCode, ids })
    const receipt = { accepted: ids.length, shed: 0, rejected: 0, verdicts: [] }
    response.end(response.statusCode === 200 ? JSON.stringify(receipt) : '')
    onBatch()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

const start = (count: number) => {
  const enough = new Promise<void>((resolve) => {
    onBatch = () => batches.length >= count && resolve()
  })
  const child = spawn(process.execPath, [MAIN, '--url', url, '--key', 'k', '--rate', '200'])
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { child, output, enough }
}

test('the demo goes on after refusals that pass, and ends cleanly on SIGTERM', async () => {
  answers = [503, 503]
  const { child, output, enough } = start(5)
  await enough
  child.kill('SIGTERM')
  const [stdout, stderr, [code]] = await output
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
  const taken = batches.filter(({ status }) => status === 200)
  expect(code).toBe(0)
  expect(report).toMatchObject({ sent: taken.flatMap(({ ids }) => ids).length, rejected: 0, shed: 0, retries: 2 })
  expect(batches[2].ids).toEqual(batches[0].ids)
  expect(stderr.match(/trying again/g)).toHaveLength(1)
})

test('a key that is refused ends the demo with exit code 1', async () => {
  answers = [401]
  const [, stderr, [code]] = await start(1).output
  expect(stderr).toContain('401')
  expect(code).toBe(1)
})

test('the country database places every visitor in the country of the story', async () => {
  const geoip = await openGeoIp()
  const found = Array.from({ length: 2_000 }, (_, i) => visitor(1, i).context).map(({ ip }) => ({
    country: geoip.country(ip),
    expected: COUNTRIES.find(({ block }) => ip.startsWith(`${block}.`))?.code,
  }))
  expect(found.filter(({ country, expected }) => country !== expected)).toEqual([])
  expect(new Set(found.map(({ country }) => country)).size).toBe(COUNTRIES.length)
})
