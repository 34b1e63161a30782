import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, copyFile, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What is built or fetched when the machine has none. */
const PINNED = '2.15.1'
/** Atomic batches with rollups and message TTLs came with 2.12. */
const LOWEST = [2, 12]

export interface FindOptions {
  /** PATH, HOME and XDG_CACHE_HOME are read. */
  env: Record<string, string | undefined>
  /** Gets one line when something takes long. */
  say: (line: string) => void
}

type Step = (options: FindOptions) => Promise<string | null>

const reason = (error: unknown): string => {
  const { stderr, message } = error as { stderr?: string; message: string }
  return (stderr?.trim() || message).split('\n').at(-1)!
}

/** Whether `nats-server --version` of this file says 2.12 or newer. */
const isNewEnough = async (file: string): Promise<boolean> => {
  try {
    const { stdout } = await run(file, ['--version'], { timeout: 10_000 })
    return versionSuffices(/v(\d+\.\d+)/.exec(stdout)?.[1] ?? '0.0')
  } catch {
    return false
  }
}

const versionSuffices = (version: string): boolean => {
  const [major, minor] = version.split('.').map(Number)
  return major > LOWEST[0] || (major === LOWEST[0] && minor >= LOWEST[1])
}

/** Path of an executable of this name. */
export const onPath = async (name: string, env: FindOptions['env']): Promise<string | null> => {
  for (const folder of (env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const file = join(folder, name)
    if (await isExecutable(file)) return file
  }
  return null
}

const isExecutable = (file: string): Promise<boolean> =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  )

/** Per user, so that a second clone need not build again. */
export const cacheFolder = (env: FindOptions['env']): string =>
  join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'millrace')

const cachedFile = (env: FindOptions['env']): string => join(cacheFolder(env), `nats-server-${PINNED}`)

/** Runs `make` in a fresh folder of the cache and moves its result into place: two at once do each other no harm. */
const intoCache = async (env: FindOptions['env'], make: (folder: string) => Promise<string>): Promise<string> => {
  await mkdir(cacheFolder(env), { recursive: true })
  const folder = await mkdtemp(join(cacheFolder(env), 'making-'))
  try {
    await rename(await make(folder), cachedFile(env))
    return cachedFile(env)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const installed: Step = async ({ env }) => {
  const file = await onPath('nats-server', env)
  return file && (await isNewEnough(file)) ? file : null
}

const cached: Step = async ({ env }) => ((await isNewEnough(cachedFile(env))) ? cachedFile(env) : null)

const builtWithGo: Step = async ({ env, say }) => {
  const go = await onPath('go', env)
  if (!go) return null
  say(`building nats-server ${PINNED} with go: a minute or two, only this once`)
  return intoCache(env, async (folder) => {
    const settings = { ...env, GOBIN: folder, CGO_ENABLED: '0' }
    await run(go, ['install', `github.com/nats-io/nats-server/v2@v${PINNED}`], { env: settings, timeout: 900_000 })
    return join(folder, 'nats-server')
  })
}

/** Unpacked, not installed: needs no rights and changes nothing of the machine. */
const debianPackage: Step = async ({ env, say }) => {
  const tools = await Promise.all(['apt-cache', 'apt-get', 'dpkg'].map((name) => onPath(name, env)))
  const [aptCache, aptGet, dpkg] = tools
  if (!aptCache || !aptGet || !dpkg) return null
  const { stdout } = await run(aptCache, ['policy', 'nats-server'], { env, timeout: 30_000 })
  const candidate = /Candidate: (\d+\.\d+)/.exec(stdout)?.[1]
  if (!candidate || !versionSuffices(candidate)) return null
  say('fetching the Debian package nats-server')
  return intoCache(env, async (folder) => {
    await run(aptGet, ['download', 'nats-server'], { env, cwd: folder, timeout: 300_000 })
    const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'))!
    await run(dpkg, ['-x', archive, '.'], { env, cwd: folder })
    const file = join(folder, 'unpacked')
    await copyFile(join(folder, 'usr/bin/nats-server'), file)
    return file
  })
}

const STEPS: [string, Step][] = [
  ['nats-server on PATH', installed],
  ['cache', cached],
  ['go install', builtWithGo],
  ['Debian package', debianPackage],
]

/**
 * Path of a nats-server of 2.12 or newer: the first of PATH, the cache, `go install`, the Debian package. Throws an
 * error that says how to get one when none of these works.
 */
export const findNatsServer = async (options: FindOptions): Promise<string> => {
  const failures: string[] = []
  for (const [name, step] of STEPS) {
    try {
      const file = await step(options)
      if (file && (await isNewEnough(file))) return file
    } catch (error) {
      failures.push(`${name}: ${reason(error)}`)
    }
  }
  throw new Error(
    `no nats-server ${LOWEST.join('.')} or newer was found: put one on PATH (https://nats.io/download), or install ` +
      `Go, or name a running one with --nats-url${failures.length > 0 ? ` (${failures.join('; ')})` : ''}`,
  )
}
