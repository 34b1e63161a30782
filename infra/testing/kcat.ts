import { spawnSync } from 'node:child_process'
import { installDebian } from './debian.ts'

/** Whether kcat is there: a Kafka consumer on librdkafka. */
export const hasKcat = (env: NodeJS.ProcessEnv): boolean => spawnSync('kcat', ['-V'], { env }).status === 0

/** The same; where it is not and apt-get may install, Debian's package is installed. */
export const ensureKcat = (env: NodeJS.ProcessEnv, say: (line: string) => void): boolean => {
  if (hasKcat(env)) return true
  say('installing the Debian package kcat for the tests of the Kafka server')
  installDebian('kcat', env)
  return hasKcat(env)
}
