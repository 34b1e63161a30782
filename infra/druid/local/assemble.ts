import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Java } from './java.ts'

const run = promisify(execFile)

const SOURCES = fileURLToPath(new URL('../../deploy/druid/local/', import.meta.url))
const POM = join(SOURCES, 'pom.xml')
const LAUNCHER = ['Launcher', 'Role'].map((name) => join(SOURCES, 'launcher', `${name}.java`))
const CLASS_PATH_GOAL = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath'
const DOWNLOAD_MS = 900_000
const COMPILE_MS = 120_000

/** A Druid that can be started. */
export interface Assembled {
  /** Folder of the compiled launcher. */
  classes: string
  /** File that holds the class path: jars in the user's Maven folder. */
  classPath: string
}

interface AssembleOptions {
  java: Java
  env: Record<string, string | undefined>
  say: (line: string) => void
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

/** Somebody may have emptied the Maven folder since. */
const isWhole = async ({ classes, classPath }: Assembled): Promise<boolean> => {
  if (!(await isThere(join(classes, 'Role.class')))) return false
  const jars = await readFile(classPath, 'utf8').catch(() => '')
  return jars !== '' && (await Promise.all(jars.trim().split(delimiter).map(isThere))).every(Boolean)
}

/** What Maven and the compiler say last, as the reason. */
const tool = async (file: string, args: string[], timeout: number): Promise<void> => {
  try {
    await run(file, args, { timeout, maxBuffer: 16 << 20 })
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string }
    const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => /error/i.test(line))
    throw new Error(`Druid cannot be assembled: ${lines[0] ?? message}`, { cause: error })
  }
}

const make = async (folder: string, { java, say }: AssembleOptions): Promise<void> => {
  const { classes, classPath } = inFolder(folder)
  say('assembling Druid with Maven: a minute and some 150 MB, only this once')
  await tool(
    java.mvn,
    ['--batch-mode', '--quiet', '-f', POM, CLASS_PATH_GOAL, '-DincludeScope=runtime', `-Dmdep.outputFile=${classPath}`],
    DOWNLOAD_MS,
  )
  // In a file: the class path is longer than some systems take as an argument.
  const settings = join(folder, 'javac.args')
  await writeFile(settings, `-proc:none\n-d "${classes}"\n-cp "${(await readFile(classPath, 'utf8')).trim()}"\n`)
  await tool(java.javac, [`@${settings}`, ...LAUNCHER], COMPILE_MS)
}

const inFolder = (folder: string): Assembled => ({
  classes: join(folder, 'classes'),
  classPath: join(folder, 'classpath'),
})

/** Class path and launcher, made once per user and version of their sources. */
export const assembleDruid = async (options: AssembleOptions): Promise<Assembled> => {
  const { env } = options
  const hash = createHash('sha256')
  for (const file of [POM, ...LAUNCHER]) hash.update(await readFile(file))
  const cache = join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'millrace')
  const folder = join(cache, `druid-${hash.digest('hex').slice(0, 16)}`)
  if (await isWhole(inFolder(folder))) return inFolder(folder)
  await mkdir(cache, { recursive: true })
  const making = await mkdtemp(join(cache, 'making-'))
  try {
    await make(making, options)
    await rm(folder, { recursive: true, force: true })
    // Two at once: who comes second finds the first one's, which is the same.
    await rename(making, folder).catch(async (error) => {
      if (!(await isWhole(inFolder(folder)))) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return inFolder(folder)
}
