import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Ports } from './ports.ts'

const TEMPLATES = fileURLToPath(new URL('../../deploy/druid/local/conf/', import.meta.url))

interface LocalSettings {
  ports: Ports
  /** Tasks that the indexer runs at once. */
  tasks: number
  /** druid.indexer.task.restoreTasksOnRestart. False, but to show what true does. */
  restore: boolean
}

const filled = (text: string, values: Record<string, string | number | boolean>): string =>
  text.replace(/\$\{(\w+)\}/g, (_, name) => {
    if (!Object.hasOwn(values, name)) throw new Error(`nothing to put for \${${name}}`)
    return String(values[name])
  })

/** Writes the folder of each role: its settings with those of all roles before them, and how it logs. */
export const writeSettings = async (folder: string, { ports, tasks, restore }: LocalSettings): Promise<void> => {
  const read = (name: string) => readFile(join(TEMPLATES, name), 'utf8')
  const [common, log] = await Promise.all([read('common.properties'), read('log4j2.xml')])
  const roles = (await readdir(TEMPLATES))
    .filter((name) => name.endsWith('.properties') && name !== 'common.properties')
    .map((name) => name.replace('.properties', ''))
  for (const role of roles) {
    const own = await read(`${role}.properties`)
    const text = role === 'zookeeper' ? own : `${common}\n${own}`
    const values = { ...ports, tasks, restore, role }
    await mkdir(join(folder, role), { recursive: true })
    await writeFile(join(folder, role, 'runtime.properties'), filled(text, values))
    await writeFile(join(folder, role, 'log4j2.xml'), filled(log, values))
  }
}
