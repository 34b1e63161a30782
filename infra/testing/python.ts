import { spawnSync } from 'node:child_process'
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
