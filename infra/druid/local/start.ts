import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createManagement } from '../management.ts'
import { assembleDruid } from './assemble.ts'
import { findJava } from './java.ts'
import { endJvm, type Jvm, type Part, pidOf, startJvm } from './jvm.ts'
import { choosePorts, type Ports } from './ports.ts'
import { writeSettings } from './settings.ts'

/** What stands in druid.json of the folder. */
export interface LocalDruid {
  /** Of the router: SQL, supervisors, rules. */
  url: string
  ports: Ports
}

interface StartDruidOptions {
  /** Everything that this Druid keeps: metadata, segments, logs, settings. */
  folder: string
  /** Default: both. What runs already is left alone. */
  parts?: readonly Part[]
  /** 0 or absent: any free one. */
  routerPort?: number
  /** Tasks at once. Four tables with two tasks each, and as many that hand over. */
  tasks?: number
  restore?: boolean
  /** Pid of a process that it must not outlive. */
  owner?: number
  env: Record<string, string | undefined>
  say: (line: string) => void
}

const START_MS = 180_000
const LOOK_MS = 100
const STATE = 'druid.json'

/** The Druid of a folder, running or not; null when there never was one. */
export const readDruid = async (folder: string): Promise<LocalDruid | null> => {
  const text = await readFile(join(folder, STATE), 'utf8').catch(() => null)
  return text === null ? null : (JSON.parse(text) as LocalDruid)
}

interface StopDruidOptions {
  /** Default: both, the indexer first. */
  parts?: readonly Part[]
  /** Nothing of it is to be kept: SIGKILL. */
  atOnce?: boolean
}

/** Ends what runs of it. Answers what that was. */
export const stopDruid = async (
  folder: string,
  { parts = ['indexer', 'core'], atOnce = false }: StopDruidOptions = {},
): Promise<Part[]> => {
  const ended: Part[] = []
  for (const part of parts) if (await endJvm(resolve(folder), part, atOnce)) ended.push(part)
  return ended
}

/** Health checks are green long before Druid answers: what counts is a query through the router, and a worker. */
const isReady: Record<Part, (druid: LocalDruid) => Promise<boolean>> = {
  core: async ({ url }) => {
    const management = createManagement({ url, timeoutMs: 5_000 })
    const answer = await management.post('/druid/v2/sql', { query: 'SELECT 1' })
    return Array.isArray(answer) && Array.isArray(await management.get('/druid/indexer/v1/supervisor'))
  },
  indexer: async ({ url, ports }) => {
    // One that was killed a moment ago is still registered.
    const own = createManagement({ url: `http://127.0.0.1:${ports.indexer}`, timeoutMs: 5_000 })
    if ((await own.get('/status/health')) !== true) return false
    const workers = await createManagement({ url, timeoutMs: 5_000 }).get('/druid/indexer/v1/workers')
    const hosts = (workers as { worker: { host: string } }[]).map(({ worker }) => worker.host)
    return hosts.includes(`127.0.0.1:${ports.indexer}`)
  },
}

const untilReady = async (part: Part, jvm: Jvm, druid: LocalDruid): Promise<void> => {
  let last: unknown = 'no answer'
  const look = () =>
    isReady[part](druid).catch((error) => {
      last = error
      return false
    })
  for (const deadline = performance.now() + START_MS; ; await Promise.race([delay(LOOK_MS), jvm.failed])) {
    if (await Promise.race([look(), jvm.failed])) return
    if (performance.now() > deadline) {
      throw new Error(`Druid's ${part} was not ready after ${START_MS / 1000} s: ${String(last)}`)
    }
  }
}

/** An indexer that runs holds its port, and knows the others. */
const portsOf = async (before: Ports | undefined, isWhole: boolean, router?: number): Promise<Ports> => {
  if (isWhole || !before) return choosePorts(before ?? {}, { router })
  const { indexer, ...others } = before
  return { ...(await choosePorts({}, others)), indexer }
}

/**
 * Starts a Druid of one machine, or the given parts of it, and waits until it answers. Rejects with what is missing
 * (NoJavaError), or with the words of the part that ended; then nothing that it started is left.
 */
export const startDruid = async (options: StartDruidOptions): Promise<LocalDruid> => {
  const { env, say, tasks = 16, restore = false, owner = 0, parts = ['core', 'indexer'] } = options
  const folder = resolve(options.folder)
  const java = await findJava(env)
  const assembled = await assembleDruid({ java, env, say })
  await mkdir(folder, { recursive: true })
  const missing: Part[] = []
  for (const part of parts) if ((await pidOf(folder, part)) === null) missing.push(part)
  let druid = await readDruid(folder)
  if (!druid || missing.includes('core')) {
    if (!missing.includes('core')) throw new Error(`there is no Druid in ${folder} yet: start it whole first`)
    const ports = await portsOf(druid?.ports, missing.includes('indexer'), options.routerPort)
    druid = { url: `http://127.0.0.1:${ports.router}`, ports }
    await writeFile(join(folder, STATE), `${JSON.stringify(druid, null, 2)}\n`)
  }
  await writeSettings(join(folder, 'conf'), { ports: druid.ports, tasks, restore })
  const started = new Map<Part, Jvm>()
  try {
    for (const part of missing) started.set(part, await startJvm({ part, folder, java: java.java, assembled, owner }))
    for (const [part, jvm] of started) await untilReady(part, jvm, druid)
  } catch (error) {
    await stopDruid(folder, { parts: [...started.keys()] })
    throw error
  }
  return druid
}
