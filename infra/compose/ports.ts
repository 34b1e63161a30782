import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { createServer } from 'node:net'
import { promisify } from 'node:util'

const TRIES = 50
const LISTEN = '0A'

/** EADDRINUSE as null; all other reasons (no right to the port, no such address) throw. */
const tryPort = (port: number, host: string): Promise<number | null> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE'
        ? resolve(null)
        : reject(new Error(`cannot listen on ${host}:${port}: ${error.code}`)),
    )
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(port)))
  })

/** `wanted`, or the next free port after it that is not in `not`; `say` is told who holds a taken one. 0 stays 0. */
export const choosePort = async (
  wanted: number,
  host: string,
  say: (line: string) => void,
  not: ReadonlySet<number> = new Set(),
): Promise<number> => {
  if (wanted === 0) return 0
  for (let port = wanted; port < wanted + TRIES && port < 65_536; port++) {
    if (not.has(port) || (await tryPort(port, host)) === null) continue
    if (port !== wanted && !not.has(wanted)) {
      say(`port ${wanted} is taken by ${(await holderOf(wanted)) ?? 'another process'}; using ${port}`)
    }
    return port
  }
  throw new Error(`ports ${wanted} to ${wanted + TRIES - 1} are all taken: choose another with a flag (--help)`)
}

/** Whether several processes can listen on one port, and the system spreads connections over them: not on macOS. */
export const canSharePorts = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port: 0, host, reusePort: true }, () => server.close(() => resolve(true)))
  })

/** Name and pid of the process that listens on a port, where the system tells. */
export const holderOf = async (port: number): Promise<string | null> =>
  process.platform === 'linux' ? holderFromProc(port) : holderFromLsof(port)

/** Sockets by inode, then the process that has one of them open: needs no tool. */
const holderFromProc = async (port: number): Promise<string | null> => {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0')
  const sockets = new Set<string>()
  for (const line of tables.join('\n').split('\n')) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    if (state === LISTEN && local?.endsWith(`:${hexPort}`)) sockets.add(`socket:[${inode}]`)
  }
  if (sockets.size === 0) return null
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (await holds(pid, sockets)) return `${(await readFile(`/proc/${pid}/comm`, 'utf8')).trim()} (pid ${pid})`
  }
  return null
}

const holds = async (pid: string, sockets: ReadonlySet<string>): Promise<boolean> => {
  // Other users' processes are closed to us.
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  const targets = descriptors.map((descriptor) => readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => ''))
  return (await Promise.all(targets)).some((target) => sockets.has(target))
}

const holderFromLsof = async (port: number): Promise<string | null> => {
  const query = promisify(execFile)('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'])
  const { stdout } = await query.catch(() => ({ stdout: '' }))
  const [, pid, name] = /^p(\d+)\nc(.*)$/m.exec(stdout) ?? []
  return pid === undefined ? null : `${name} (pid ${pid})`
}
