import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { NAME_PATTERN } from '#schema/subjects.ts'
import type { Credentials } from './sasl.ts'

/** Who may read, and what. */
export interface User {
  name: string
  topics: readonly string[]
  /** Only lines of this tenant. */
  tenant?: string
}

export interface Users {
  /** Null: no such user, or another password. */
  find(credentials: Credentials): Promise<User | null>
}

/** scrypt$N$r$p$salt$key, the last two in base64. */
const HASH = /^scrypt\$(\d{4,7})\$(\d{1,2})\$(\d{1,2})\$([\w+/]{16,}={0,2})\$([\w+/]{22,}={0,2})$/
const MOST_SCRYPT_BYTES = 64_000_000

const FILE = z.strictObject({
  users: z.array(
    z.strictObject({
      name: z.string().min(1).max(128),
      hash: z.string().regex(HASH, 'expected scrypt$N$r$p$salt$key'),
      topics: z.array(z.string()).min(1),
      tenant: z.string().regex(NAME_PATTERN).optional(),
    }),
  ),
})
type Entry = z.infer<typeof FILE>['users'][number]

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

const isRight = async (password: string, hash: string): Promise<boolean> => {
  const [, cost, blockSize, parallelization, salt, key] = HASH.exec(hash)!
  const wanted = Buffer.from(key, 'base64')
  const options = { cost: Number(cost), blockSize: Number(blockSize), parallelization: Number(parallelization) }
  const found = await derive(password, Buffer.from(salt, 'base64'), wanted.length, {
    ...options,
    maxmem: MOST_SCRYPT_BYTES,
  })
  return timingSafeEqual(wanted, found)
}

const COST = { cost: 16_384, blockSize: 8, parallelization: 1 }

/** For a file of users. */
export const hashPassword = async (password: string): Promise<string> => {
  const salt = randomBytes(16)
  const key = await derive(password, salt, 32, COST)
  const { cost, blockSize, parallelization } = COST
  return `scrypt$${cost}$${blockSize}$${parallelization}$${salt.toString('base64')}$${key.toString('base64')}`
}

/** A hash that no password has: a name that there is none of takes as long as one that there is. */
const NOBODY = `scrypt$16384$8$1$${'A'.repeat(22)}==$${'A'.repeat(43)}=`

const parse = (file: string, text: string): Map<string, Entry> => {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`)
  }
  const result = FILE.safeParse(json)
  if (!result.success) {
    const [{ path, message }] = result.error.issues
    throw new Error(`${file}: ${path.join('.')}: ${message}`)
  }
  return new Map(result.data.users.map((user) => [user.name, user]))
}

/**
 * Users of a file, which is read again when it has changed; one that cannot be read any more leaves those that were
 * known. One password is looked at at a time: each takes memory and a moment of a core.
 */
export const openUsers = async (file: string, onProblem: (problem: string) => void): Promise<Users> => {
  let readAt = (await stat(file)).mtimeMs
  let users = parse(file, await readFile(file, 'utf8'))
  const refresh = async (): Promise<void> => {
    try {
      const { mtimeMs } = await stat(file)
      if (mtimeMs === readAt) return
      users = parse(file, await readFile(file, 'utf8'))
      readAt = mtimeMs
    } catch (error) {
      onProblem((error as Error).message)
    }
  }
  const find = async ({ name, password }: Credentials): Promise<User | null> => {
    await refresh()
    const user = users.get(name)
    return (await isRight(password, user?.hash ?? NOBODY)) && user ? user : null
  }
  let turn: Promise<unknown> = Promise.resolve()
  return {
    find(credentials) {
      const found = turn.then(() => find(credentials))
      turn = found.catch(() => undefined)
      return found
    },
  }
}
