import { findJava } from '../druid/local/java.ts'
import { installDebian } from './debian.ts'

/** Why no Druid can be started here, in a line that says how that can be changed; null where one can. */
export const whyNoJava = (env: NodeJS.ProcessEnv): Promise<string | null> =>
  findJava(env).then(
    () => null,
    (error: Error) => error.message,
  )

/** The same; where something is missing and apt-get may install, Debian's packages are installed. */
export const ensureJava = async (env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<string | null> => {
  const why = await whyNoJava(env)
  if (why === null || process.getuid?.() !== 0) return why
  say('installing the Debian packages openjdk-17-jdk-headless and maven for the tests with Druid')
  installDebian('openjdk-17-jdk-headless', env)
  installDebian('maven', env)
  return whyNoJava(env)
}
