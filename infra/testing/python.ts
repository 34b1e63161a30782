import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../nats/binary.ts'
import { installDebian } from './debian.ts'

/** Whether python3 is there: the other make of JSON reader in the fuzz. */
export const hasPython = (env: NodeJS.ProcessEnv): boolean => spawnSync('python3', ['--version'], { env }).status === 0

/** The same; where it is not and apt-get may install, Debian's package is installed. */
export const ensurePython = (env: NodeJS.ProcessEnv, say: (line: string) => void): boolean => {
  if (hasPython(env)) return true
  say('installing the Debian package python3 for the fuzz of JSON readers')
  installDebian('python3', env)
  return hasPython(env)
}

const PYARROW = '26.0.1'

/** A python3 with PyArrow: what to run it with, and in which environment. */
export interface PyArrow {
  command: string
  env: NodeJS.ProcessEnv
}

const imports = (env: NodeJS.ProcessEnv): boolean =>
  spawnSync('python3', ['-c', 'import pyarrow.dataset, pyarrow.parquet'], { env }).status === 0

/** The machine's PyArrow, else the cache's; where there is none pip puts one there, and nothing else of the machine changes. */
export const ensurePyArrow = (env: NodeJS.ProcessEnv, say: (line: string) => void): PyArrow | null => {
  if (!ensurePython(env, say)) return null
  if (imports(env)) return { command: 'python3', env }
  const folder = join(cacheFolder(env), `pyarrow-${PYARROW}`)
  const cached = { ...env, PYTHONPATH: folder }
  if (imports(cached)) return { command: 'python3', env: cached }
  if (spawnSync('python3', ['-m', 'pip', '--version'], { env }).status !== 0) installDebian('python3-pip', env)
  say(`fetching PyArrow ${PYARROW} with pip, only this once`)
  mkdirSync(cacheFolder(env), { recursive: true })
  const making = mkdtempSync(join(cacheFolder(env), 'making-'))
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--target', making, `pyarrow==${PYARROW}`]
    if (spawnSync('python3', pip, { env, stdio: 'ignore', timeout: 600_000 }).status !== 0) return null
    // Whoever was faster has put the same there.
    if (!existsSync(folder)) renameSync(making, folder)
    return imports(cached) ? { command: 'python3', env: cached } : null
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}
