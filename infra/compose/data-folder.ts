import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commandOf, endProcess, isRunning } from '#infra/nats/process.ts'

const LOCK = 'supervisor.pid'
const PROCESSES = 'processes.json'

/** The data folder is in use by another start. */
export class FolderInUse extends Error {
  constructor(folder: string, pid: number) {
    super(`${folder} is in use by a Millrace that runs already (pid ${pid}): stop it, or choose another with --data`)
    this.name = 'FolderInUse'
  }
}

/** All or nothing, so that a reader never sees half of it. */
export const writeJson = async (file: string, value: unknown, mode = 0o644): Promise<void> => {
  await writeFile(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode })
  await rename(`${file}.new`, file)
}

export const readJson = async <T>(file: string): Promise<T | null> => {
  const text = await readFile(file, 'utf8').catch(() => null)
  return text === null ? null : (JSON.parse(text) as T)
}

/**
 * Takes the folder for this process: throws FolderInUse when another supervisor has it. What a start that was killed
 * left running on it is ended.
 */
export const takeFolder = async (folder: string): Promise<{ release(): Promise<void> }> => {
  await mkdir(folder, { recursive: true })
  const lock = join(folder, LOCK)
  for (;;) {
    const file = await open(lock, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return null
      throw error
    })
    if (file) {
      await file.writeFile(String(process.pid))
      await file.close()
      break
    }
    const holder = Number(await readFile(lock, 'utf8').catch(() => '0'))
    // A pid may be somebody else's by now: a supervisor runs a main file of this program.
    const holds = holder !== process.pid && isRunning(holder) && (await commandOf(holder)).includes('.main.ts')
    if (holder > 0 && holds) throw new FolderInUse(folder, holder)
    await rm(lock, { force: true })
  }
  await endLeftovers(folder)
  return { release: () => rm(lock, { force: true }) }
}

/** Children of a start that was killed drain on their own; they must not meet the new ones. */
const endLeftovers = async (folder: string): Promise<void> => {
  const processes = (await readJson<Record<string, number>>(join(folder, PROCESSES)).catch(() => null)) ?? {}
  const ours = await Promise.all(
    Object.values(processes).map(async (pid) => ((await commandOf(pid)).includes(`--data=${folder}`) ? [pid] : [])),
  )
  await Promise.all(ours.flat().map(endProcess))
}

/** Keeps processes.json (name → pid of what runs now) true. Writes follow each other. */
export const createProcessTable = (folder: string) => {
  const pids = new Map<string, number>()
  let written = Promise.resolve()
  return {
    set: (name: string, pid: number | null): void => {
      if (pid === null) pids.delete(name)
      else pids.set(name, pid)
      const now = Object.fromEntries(pids)
      // The folder may be gone at the very end; nobody reads the file then.
      written = written.then(() => writeJson(join(folder, PROCESSES), now)).catch(() => {})
    },
    /** Resolves when the file says what was set last. */
    written: () => written,
  }
}
