import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'

let data: string
beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'millrace-druid-'))
})
afterAll(() => rm(data, { recursive: true, force: true }))

const run = (args: string[], env: NodeJS.ProcessEnv = process.env) => {
  const main = join(import.meta.dirname, 'druid.main.ts')
  const child = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env })
  return { code: child.status, stdout: child.stdout, stderr: child.stderr }
}

it('says what there is to do, and refuses what there is not', () => {
  expect(run(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('--no-indexer') })
  expect(run(['apply', '--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('--kafka') })
  expect(run(['sideways'])).toMatchObject({ code: 2, stderr: expect.stringContaining('up, down, status, apply') })
  expect(run(['up', '--only', 'broker'])).toMatchObject({ code: 2, stderr: expect.stringContaining('core or indexer') })
  expect(run(['up', 'now'])).toMatchObject({ code: 2, stderr: expect.stringContaining('unknown argument now') })
})

it('says what is missing, and how it can be had', () => {
  const status = run(['status', '--data', data])
  expect(status).toMatchObject({ code: 2, stderr: expect.stringContaining('npm run druid -- up') })
  const apply = run(['apply', '--data', data, '--url', 'http://127.0.0.1:1'])
  expect(apply).toMatchObject({ code: 2, stderr: expect.stringContaining('--kafka-port') })
  const { code, stderr } = run(['up', '--data', data], { ...process.env, PATH: '/nowhere', JAVA_HOME: '' })
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('openjdk-17-jdk-headless maven') })
  expect(stderr.trim().split('\n')).toHaveLength(1)
})

it('ends nothing where nothing runs, also by the pid of somebody else', async () => {
  await mkdir(join(data, 'druid'))
  await writeFile(join(data, 'druid', 'indexer.pid'), String(process.pid))
  expect(JSON.parse(run(['down', '--data', data]).stdout)).toEqual({ ended: [] })
})

it('tells of a Druid that does not answer, with exit code 1 and JSON for scripts', () => {
  const { code, stdout } = run(['status', '--url', 'http://127.0.0.1:1', '--json'])
  expect(code).toBe(1)
  const { problems, tables } = JSON.parse(stdout)
  expect(tables).toHaveLength(4)
  expect(problems[0]).toContain('Druid cannot be asked')
})
