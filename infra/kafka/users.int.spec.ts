import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hashPassword, openUsers } from './users.ts'

let folder: string
let file: string
let changes = 0
const write = async (content: unknown): Promise<void> => {
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  // Two changes within one tick of the clock must be two.
  await utimes(file, new Date(), new Date(Date.now() + 1_000 * ++changes))
}
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-users-'))
  file = join(folder, 'users.json')
})
afterEach(() => rm(folder, { recursive: true }))

test('a user is found by name and password, and the file is read again when it changes', async () => {
  const ann = { name: 'ann', hash: await hashPassword('secret'), topics: ['user_events'], tenant: 'shop' }
  const bob = { name: 'bob', hash: await hashPassword('p:ä\u0001'), topics: ['aggregates'] }
  await write({ users: [ann] })
  const problems: string[] = []
  const users = await openUsers(file, (problem) => problems.push(problem))
  expect(await users.find({ name: 'ann', password: 'secret' })).toMatchObject({ name: 'ann', tenant: 'shop' })
  for (const [name, password] of [
    ['ann', 'Secret'],
    ['ann', ''],
    ['bob', 'p:ä\u0001'],
    ['', ''],
  ]) {
    expect(await users.find({ name, password })).toBeNull()
  }
  await write({ users: [bob] })
  expect(await users.find({ name: 'bob', password: 'p:ä\u0001' })).toMatchObject({ topics: ['aggregates'] })
  expect(await users.find({ name: 'ann', password: 'secret' })).toBeNull()
  await write('{"users":')
  expect(await users.find({ name: 'bob', password: 'p:ä\u0001' })).toMatchObject({ name: 'bob' })
  expect(problems).toHaveLength(1)
})

test.each([
  ['{', 'JSON'],
  [
    { users: [{ name: 'ann', hash: 'secret', topics: ['user_events'] }] },
    'users.0.hash: expected scrypt$N$r$p$salt$key',
  ],
  [{ users: [{ name: 'ann', topics: ['user_events'] }] }, 'users.0.hash'],
  [{ users: [], admins: [] }, 'admins'],
])('a file that cannot be used says where: %j', async (content, words) => {
  await write(content)
  await expect(openUsers(file, () => {})).rejects.toThrow(words)
})

test('the same password has another hash each time', async () => {
  expect(await hashPassword('secret')).not.toBe(await hashPassword('secret'))
})
