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

/** Packages of PyPI that a test needs, and what it imports of them. */
export interface PythonPackages {
  packages: readonly string[]
  imports: string
}

export const PYARROW: PythonPackages = { packages: ['pyarrow==26.0.1'], imports: 'pyarrow.dataset, pyarrow.parquet' }
export const GRPC: PythonPackages = {
  packages: ['grpcio==1.85.1', 'grpcio-tools==1.85.1', 'grpcio-health-checking==1.85.1', 'grpcio-reflection==1.85.1'],
  imports: 'grpc_tools.protoc, grpc_health.v1, grpc_reflection.v1alpha',
}

/** A python3 with packages: what to run it with, and in which environment. */
export interface Python {
  command: string
  env: NodeJS.ProcessEnv
}

const canImport = (imports: string, env: NodeJS.ProcessEnv): boolean =>
  spawnSync('python3', ['-c', `import ${imports}`], { env }).status === 0

/** The machine's packages, else the cache's; where there are none pip puts them there, and nothing else changes. */
export const ensurePackages = (
  { packages, imports }: PythonPackages,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Python | null => {
  if (!ensurePython(env, say)) return null
  if (canImport(imports, env)) return { command: 'python3', env }
  const folder = join(cacheFolder(env), packages[0].replace('==', '-'))
  const cached = { ...env, PYTHONPATH: folder }
  if (canImport(imports, cached)) return { command: 'python3', env: cached }
  if (spawnSync('python3', ['-m', 'pip', '--version'], { env }).status !== 0) installDebian('python3-pip', env)
  say(`fetching ${packages.join(', ')} with pip, only this once`)
  mkdirSync(cacheFolder(env), { recursive: true })
  const making = mkdtempSync(join(cacheFolder(env), 'making-'))
  try {
    const pip = ['-m', 'pip', 'install', '--quiet', '--target', making, ...packages]
    if (spawnSync('python3', pip, { env, stdio: 'ignore', timeout: 600_000 }).status !== 0) return null
    // Whoever was faster has put the same there.
    if (!existsSync(folder)) renameSync(making, folder)
    return canImport(imports, cached) ? { command: 'python3', env: cached } : null
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
}
