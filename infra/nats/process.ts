import { execFile, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const PID_FILE = 'nats-server.pid'
const END_MS = 10_000
/** The server's clients have lost the same parent: they drain, and need the server for it. */
const DRAIN_S = 3

/**
 * A zombie, which only waits for its parent to read its exit code, does not count; while other threads of it still end,
 * its ports and files are open, and it does.
 */
export const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    const isZombie = /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    return !isZombie || readdirSync(`/proc/${pid}/task`).length > 1
  } catch {
    return process.platform !== 'linux'
  }
}

/** Command line of a process; empty when there is none or it is a zombie. */
export const commandOf = async (pid: number): Promise<string> => {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).catch(() => ({
    stdout: '',
  }))
  return stdout
}

/**
 * Ends the server that an earlier start left running on this folder, so that never two write one store. The pid alone
 * may be somebody else's by now: the command line must name this folder's configuration.
 */
export const endStale = async (folder: string, configFile: string): Promise<void> => {
  const pid = Number(await readFile(join(folder, PID_FILE), 'utf8').catch(() => '0'))
  const isOurs = async () => pid > 0 && (await commandOf(pid)).includes(configFile)
  if (await isOurs()) await endProcess(pid)
}

/** SIGTERM, and SIGKILL after 10 s; resolves when the process is gone. */
export const endProcess = async (pid: number): Promise<void> => {
  const deadline = performance.now() + END_MS
  signalTo(pid, 'SIGTERM')
  while (isRunning(pid)) {
    if (performance.now() > deadline) signalTo(pid, 'SIGKILL')
    await delay(20)
  }
}

const signalTo = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // gone already
  }
}

/**
 * Notes the pid, and starts a watchdog that ends the server when this process is gone, even by SIGKILL: the watchdog
 * reads a pipe whose other end only this process holds.
 */
export const watchOver = async (folder: string, pid: number, exited: Promise<unknown>): Promise<void> => {
  const watchdog = spawn('sh', ['-c', `read -r _; sleep ${DRAIN_S}; kill -TERM "$0"`, String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watchdog.on('error', () => {}) // without sh the next start still ends what this one may leave
  watchdog.unref()
  ;(watchdog.stdin as unknown as { unref(): void }).unref()
  exited.then(async () => {
    watchdog.kill('SIGKILL')
    // The disk may be what ended the server: the next start looks whose pid it is.
    await rm(join(folder, PID_FILE), { force: true }).catch(() => undefined)
  })
  await writeFile(join(folder, PID_FILE), String(pid))
}
