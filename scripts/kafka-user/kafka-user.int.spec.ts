import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { openUsers } from '#infra/kafka/users.ts'

const run = (input: string, ...args: string[]) => {
  const main = join(import.meta.dirname, 'kafka-user.main.ts')
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { input, encoding: 'utf8' })
  return { status, stdout, stderr }
}

it('prints an entry with which the user can log in', async () => {
  const { status, stdout } = run('secret\n', 'ann', '--topics=user_events', '--tenant=shop')
  expect(status).toBe(0)
  expect(stdout).not.toContain('secret')
  const folder = await mkdtemp(join(tmpdir(), 'millrace-user-'))
  const file = join(folder, 'users.json')
  await writeFile(file, `{"users":[${stdout}]}`)
  const users = await openUsers(file, () => {})
  const ann = { name: 'ann', topics: ['user_events'], tenant: 'shop' }
  expect(await users.find({ name: 'ann', password: 'secret' })).toMatchObject(ann)
  expect(await users.find({ name: 'ann', password: 'secret\n' })).toBeNull()
  await rm(folder, { recursive: true })
})

it('tells how it is used', () => {
  expect(run('', '--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--tenant') })
  expect(run('', 'ann')).toMatchObject({ status: 2, stderr: expect.stringContaining('password') })
  expect(run('secret')).toMatchObject({ status: 2, stderr: expect.stringContaining('name') })
})
