import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type ObjectBody, ObjectConflict, type ObjectInfo, ObjectMissing, type ObjectStore } from '#processors/ports.ts'
import { checksumOfFile } from './checksum.ts'

/** Files on their way; nothing in it is an object. */
const STAGING = '.staging'
/** Whoever has claimed an object for so long is dead: what it wanted is done for it. */
const DEAD_MS = 10_000
const AGAIN_MS = 20
/** What a process that is gone has left in the staging folder. */
const STALE_MS = 3_600_000
const MOST_TRIES = 5

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

/** Answers null where there is no such file. */
const orNull = async <T>(question: Promise<T>): Promise<T | null> => {
  try {
    return await question
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** True where it happened, false where there is no such file. */
const unlessGone = async (act: Promise<unknown>): Promise<boolean> => (await orNull(act.then(() => true))) ?? false

const sync = async (path: string): Promise<void> => {
  const file = await open(path, constants.O_RDONLY)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

interface Stat {
  ino: bigint
  mtimeNs: bigint
  mtimeMs: bigint
  size: bigint
}

const toInfo = (name: string, { ino, mtimeNs, mtimeMs, size }: Stat): ObjectInfo => ({
  name,
  bytes: Number(size),
  generation: `${ino}-${mtimeNs}`,
  at: Number(mtimeMs),
})

/**
 * Objects as files of a folder on a file system with hard links. A file is written and synced beside its place and appears
 * there by one link or rename, so nobody sees a part of it. Replacing is compare-and-set between processes as well: who
 * first links its file to the claim on a generation may replace that generation, and only then is it looked at once more.
 */
export const openFolder = async (root: string): Promise<ObjectStore> => {
  const staging = join(root, STAGING)
  for (const name of (await orNull(readdir(staging))) ?? []) {
    const found = await orNull(stat(join(staging, name)))
    if (found && Date.now() - found.mtimeMs > STALE_MS) await rm(join(staging, name), { force: true })
  }

  const pathOf = (name: string): string => {
    const parts = name.split('/')
    if (parts.some((part) => part === '' || part === '.' || part === '..' || part === STAGING)) {
      throw new TypeError(`"${name}" is no name of an object`)
    }
    return join(root, ...parts)
  }

  const infoOf = async (name: string): Promise<ObjectInfo | null> => {
    const found = await orNull(stat(pathOf(name), { bigint: true }))
    return found && toInfo(name, found)
  }

  /** A synced copy, with the checksum compared. */
  const stage = async (body: ObjectBody): Promise<string> => {
    // Made by who writes: to look at a folder changes nothing.
    await mkdir(staging, { recursive: true })
    const path = join(staging, randomUUID())
    if (body instanceof Uint8Array) {
      const file = await open(path, 'wx')
      try {
        await file.writeFile(body)
        await file.sync()
      } finally {
        await file.close()
      }
      return path
    }
    await copyFile(body.path, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    await sync(path)
    if ((await checksumOfFile(path)) !== (await checksumOfFile(body.path))) {
      await rm(path, { force: true })
      throw new Error(`the copy of ${body.path} in ${staging} is damaged`)
    }
    return path
  }

  /** Makes the folders of a name that are missing, durably. */
  const makeFolders = async (folder: string): Promise<void> => {
    const first = await mkdir(folder, { recursive: true })
    if (first === undefined) return
    for (let made = folder; made.length >= first.length; made = dirname(made)) await sync(dirname(made))
  }

  const create = async (name: string, staged: string): Promise<void> => {
    const path = pathOf(name)
    for (let tries = 1; ; tries++) {
      await makeFolders(dirname(path))
      try {
        await link(staged, path)
        break
      } catch (error) {
        if (codeOf(error) === 'EEXIST') throw new ObjectConflict(name)
        // Its folder was empty and has just been removed.
        if (codeOf(error) !== 'ENOENT' || tries === MOST_TRIES) throw error
      }
    }
    await sync(dirname(path))
  }

  const replace = async (name: string, staged: string, generation: string): Promise<void> => {
    const path = pathOf(name)
    const isStill = async (): Promise<boolean> => (await infoOf(name))?.generation === generation
    const claim = join(staging, `${createHash('sha256').update(name).digest('hex').slice(0, 32)}-${generation}`)
    try {
      await link(staged, claim)
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      const found = await orNull(stat(claim))
      if (found && Date.now() - found.mtimeMs > DEAD_MS) {
        if (await isStill()) await unlessGone(rename(claim, path))
        else await unlessGone(unlink(claim))
      } else await delay(AGAIN_MS)
      throw new ObjectConflict(name)
    }
    if (!(await isStill())) {
      await unlessGone(unlink(claim))
      throw new ObjectConflict(name)
    }
    const { ino } = await stat(staged, { bigint: true })
    // Where the claim is gone, somebody took this process for dead and did it in its place.
    const isDone = (await unlessGone(rename(claim, path))) || (await orNull(stat(path, { bigint: true })))?.ino === ino
    if (!isDone) throw new ObjectConflict(name)
    await sync(dirname(path))
  }

  async function* walk(folder: string): AsyncGenerator<string> {
    for (const entry of (await orNull(readdir(folder, { withFileTypes: true }))) ?? []) {
      const path = join(folder, entry.name)
      if (entry.isFile()) yield path
      else if (entry.isDirectory() && path !== staging) yield* walk(path)
    }
  }

  return {
    place: root,
    async put(name, body, generation) {
      const staged = await stage(body)
      try {
        if (generation === null) await create(name, staged)
        else await replace(name, staged, generation)
        return toInfo(name, await stat(staged, { bigint: true }))
      } finally {
        await rm(staged, { force: true })
      }
    },
    async get(name) {
      const file = await orNull(open(pathOf(name), 'r'))
      if (!file) return null
      try {
        return { info: toInfo(name, await file.stat({ bigint: true })), data: new Uint8Array(await file.readFile()) }
      } finally {
        await file.close()
      }
    },
    async fetch(name, path) {
      const copied = copyFile(pathOf(name), path, constants.COPYFILE_FICLONE)
      if (!(await unlessGone(copied))) throw new ObjectMissing(name)
    },
    info: infoOf,
    async checksum(name) {
      const sum = await orNull(checksumOfFile(pathOf(name)))
      if (sum === null) throw new ObjectMissing(name)
      return sum
    },
    async *list(prefix) {
      const names: string[] = []
      // Only the last part of a prefix may be the beginning of a name.
      const folder = join(root, ...prefix.split('/').slice(0, -1))
      for await (const path of walk(folder)) {
        const name = relative(root, path).split(sep).join('/')
        if (name.startsWith(prefix)) names.push(name)
      }
      for (const name of names.sort()) {
        const info = await infoOf(name)
        if (info) yield info
      }
    },
    async delete(name) {
      const path = pathOf(name)
      if (!(await unlessGone(unlink(path)))) return
      await sync(dirname(path))
      // Folders that are empty now.
      for (let folder = dirname(path); folder !== root; folder = dirname(folder)) {
        const isRemoved = await rmdir(folder).then(
          () => true,
          () => false,
        )
        if (!isRemoved) return
      }
    },
  }
}
