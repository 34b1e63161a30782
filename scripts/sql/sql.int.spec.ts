import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectNats, type Nats } from '#infra/nats/connect.ts'
import { serveOlap } from '#infra/nats/olap-server.ts'
import { startTestNats, type TestNats } from '#infra/testing/nats.ts'
import { MillraceError } from '#schema/errors.ts'
import type { OlapService } from '#schema/olap.ts'

let server: TestNats
let nats: Nats
let data: string
let serving: { stop(): Promise<void> }
const columns = ['id', 'n']
const rows = Array.from({ length: 50_000 }, (_, i) => [`id ${i}`, i])

beforeAll(async () => {
  server = await startTestNats()
  nats = await connectNats(server.url, 'test')
  data = await mkdtemp(join(tmpdir(), 'millrace-sql-'))
  await writeFile(join(data, 'endpoints.json'), JSON.stringify({ nats: server.url }))
  const sql = async (statement: string) => {
    if (statement === 'all') return { columns, rows }
    if (statement === 'one') return { columns, rows: rows.slice(1, 2) }
    throw new MillraceError('BAD_INPUT', 'Parser Error: no such statement')
  }
  serving = serveOlap(nats, { olap: { sql } as Partial<OlapService> as OlapService, logger: { warn() {} } })
  await nats.nc.flush()
})
afterAll(async () => {
  await serving.stop()
  await nats.close()
  await server[Symbol.asyncDispose]()
  await rm(data, { recursive: true })
})

const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const options = { maxBuffer: 100_000_000 }
    execFile(process.execPath, [join(import.meta.dirname, 'sql.main.ts'), ...args], options, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })

it('prints a table for people, and how many rows it has beside it', async () => {
  const { code, stdout, stderr } = await run('--data', data, 'one')
  expect([code, stdout, stderr]).toEqual([0, 'id    n\n────  ─\nid 1  1\n', '1 row\n'])
})

it('prints one JSON object and nothing else, however long', async () => {
  const { code, stdout, stderr } = await run('--nats', server.url, '--json', 'all')
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toEqual({ columns, rows })
})

it.each([
  ['a statement that fails', ['STATEMENT'], 'Parser Error: no such statement'],
  ['no statement', [], 'expected one statement in quotes, got 0'],
  ['several', ['a', 'b'], 'expected one statement in quotes, got 2'],
  ['an option that there is not', ['--jsn', 'one'], '--help shows all'],
  ['a folder without endpoints', ['--data', '/nowhere', 'one'], '/nowhere/endpoints.json names no nats-server'],
])('says what is wrong with %s, and fails', async (_, args, told) => {
  const { code, stdout, stderr } = await run(...(args.includes('--data') ? [] : ['--data', data]), ...args)
  expect([code, stdout]).toEqual([1, ''])
  expect(stderr).toContain(told)
  expect(stderr).not.toContain('    at ')
})

it('gives up when nothing answers there', async () => {
  const { code, stderr } = await run('--nats', 'nats://127.0.0.1:1', 'one')
  expect([code, stderr]).toEqual([1, 'nothing answers at nats://127.0.0.1:1: is Millrace running?\n'])
})

it('shows its help', async () => {
  expect((await run('--help')).stdout).toContain('npm run sql -- [options]')
})
