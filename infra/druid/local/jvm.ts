import { spawn } from 'node:child_process'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { commandOf, endProcess } from '../../nats/process.ts'
import type { Assembled } from './assemble.ts'

/** What can be started, ended and killed alone. */
export const PARTS = {
  core: { roles: ['zookeeper', 'coordinator', 'broker', 'historical', 'router'], heap: '640m', direct: '320m' },
  indexer: { roles: ['indexer'], heap: '1g', direct: '320m' },
} as const
export type Part = keyof typeof PARTS

const module = (name: string) => `java.base/${name}=ALL-UNNAMED`
/** What Druid asks of Java 17, see its own start scripts. */
const OPENED = [
  ...['jdk.internal.misc', 'jdk.internal.ref'].map((name) => `--add-exports=${module(name)}`),
  ...['java.nio', 'sun.nio.ch', 'jdk.internal.ref', 'java.io', 'java.lang'].map(
    (name) => `--add-opens=${module(name)}`,
  ),
  '--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED',
]

const confOf = (folder: string): string => join(folder, 'conf')
const pidFile = (folder: string, part: Part): string => join(folder, `${part}.pid`)
const outputFile = (folder: string, part: Part): string => join(folder, 'log', `${part}.out`)

interface JvmOptions {
  part: Part
  folder: string
  java: string
  assembled: Assembled
  /** Pid of a process that this JVM must not outlive; 0: it runs until it is ended. */
  owner: number
}

/** A JVM that was just started; `failed` rejects with its last words when it ends. */
export interface Jvm {
  pid: number
  failed: Promise<never>
}

/** Starts the roles of a part, whose settings are in the folder. */
export const startJvm = async ({ part, folder, java, assembled, owner }: JvmOptions): Promise<Jvm> => {
  const { roles, heap, direct } = PARTS[part]
  await mkdir(join(folder, 'tmp'), { recursive: true })
  await mkdir(join(folder, 'log'), { recursive: true })
  const output = await open(outputFile(folder, part), 'w')
  const settings = {
    'user.timezone': 'UTC',
    'file.encoding': 'UTF-8',
    'java.io.tmpdir': join(folder, 'tmp'),
    'derby.stream.error.file': join(folder, 'log', 'derby.log'),
    'log4j.shutdownCallbackRegistry': 'org.apache.druid.common.config.Log4jShutdown',
  }
  const memory = [`-Xmx${heap}`, `-XX:MaxDirectMemorySize=${direct}`, '-XX:+UseSerialGC', '-XX:+ExitOnOutOfMemoryError']
  const given = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`)
  const launcher = ['-cp', assembled.classes, 'Launcher', assembled.classPath, confOf(folder), String(owner)]
  const child = spawn(java, [...OPENED, ...memory, ...given, ...launcher, ...roles], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  })
  const failed = new Promise<never>((_, reject) => {
    child.once('error', reject)
    child.once('exit', async (code, signal) => {
      const said = await readFile(outputFile(folder, part), 'utf8').catch(() => '')
      const words = said.split('\n').find((line) => /Exception|Error/.test(line)) ?? 'it said nothing'
      reject(new Error(`Druid's ${part} ended (${signal ?? code}): ${words}; see ${join(folder, 'log')}`))
    })
  })
  failed.catch(() => undefined)
  child.unref()
  await output.close()
  if (child.pid === undefined) return failed
  await writeFile(pidFile(folder, part), String(child.pid))
  return { pid: child.pid, failed }
}

/** Its pid, when it runs. A pid alone may be somebody else's by now: the command line must name this folder. */
export const pidOf = async (folder: string, part: Part): Promise<number | null> => {
  const pid = Number(await readFile(pidFile(folder, part), 'utf8').catch(() => '0'))
  return pid > 0 && (await commandOf(pid)).includes(confOf(folder)) ? pid : null
}

/** SIGTERM, and SIGKILL after 10 s, or at once where nothing of it is to be kept. Answers whether there was one to end. */
export const endJvm = async (folder: string, part: Part, atOnce: boolean): Promise<boolean> => {
  const pid = await pidOf(folder, part)
  if (pid !== null && atOnce) process.kill(pid, 'SIGKILL')
  if (pid !== null) await endProcess(pid)
  await rm(pidFile(folder, part), { force: true })
  return pid !== null
}
