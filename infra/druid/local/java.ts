import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Druid 33 runs on these; later ones lack what its libraries rely on. */
const OLDEST = 17
const NEWEST = 21

/** No Druid can be started on this machine. The message says in a line how that can be changed. */
class NoJavaError extends Error {
  constructor(what: string) {
    super(
      `${what}: install a JDK ${OLDEST} to ${NEWEST} and Maven (Debian: apt-get install openjdk-17-jdk-headless maven)`,
    )
    this.name = 'NoJavaError'
  }
}

export interface Java {
  java: string
  javac: string
  mvn: string
}

type Env = Record<string, string | undefined>

const isExecutable = (file: string): Promise<boolean> =>
  access(file, constants.X_OK).then(
    () => true,
    () => false,
  )

const firstOf = async (name: string, folders: readonly string[]): Promise<string> => {
  for (const folder of folders) {
    const file = join(folder, name)
    if (await isExecutable(file)) return file
  }
  throw new NoJavaError(`no ${name} was found`)
}

/** Java's compiler, its runtime and Maven: in JAVA_HOME, else on PATH. Throws NoJavaError. */
export const findJava = async (env: Env): Promise<Java> => {
  const path = (env.PATH ?? '').split(delimiter).filter(Boolean)
  const home = env.JAVA_HOME ? [join(env.JAVA_HOME, 'bin')] : []
  const javac = await firstOf('javac', [...home, ...path])
  const java = await firstOf('java', [...home, ...path])
  // Of the compiler: what it makes must run, and who has it has a runtime of its age.
  const { stdout } = await run(javac, ['-version'], { timeout: 20_000 })
  const version = Number(/^javac (\d+)/.exec(stdout)?.[1])
  if (!(version >= OLDEST && version <= NEWEST)) throw new NoJavaError(`${javac} is ${stdout.trim()}`)
  return { java, javac, mvn: await firstOf('mvn', path) }
}
