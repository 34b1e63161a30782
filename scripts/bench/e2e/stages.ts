import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Events that have passed each stage behind the gateway since the processes began. */
export interface Stages {
  settled: number
  stored: number
  archived: number
}

const COUNTERS: Record<keyof Stages, string> = {
  settled: 'millrace_settled_events_total',
  stored: 'millrace_stored_events_total',
  archived: 'millrace_archived_rows_total',
}

/** Ports of /metrics that processors and storage have told their logs. */
const adminPorts = async (dataDir: string): Promise<number[]> => {
  const folder = join(dataDir, 'logs')
  const names = (await readdir(folder)).filter((name) => /^(processor|storage)(-\d+)?\.log$/.test(name))
  const logs = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))
  return logs.flatMap((log) => {
    const ports = [...log.matchAll(/"admin":(\d+)/g)].map(([, port]) => Number(port))
    return ports.slice(-1)
  })
}

const sumOf = (text: string, counter: string): number =>
  [...text.matchAll(new RegExp(`^${counter}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce((sum, [, n]) => sum + Number(n), 0)

/** Reads the counters of all processes; what is away counts nothing. */
export const createStageReader = async (dataDir: string): Promise<() => Promise<Stages>> => {
  const ports = await adminPorts(dataDir)
  return async () => {
    const texts = await Promise.all(
      ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text().catch(() => '')),
    )
    const total = (stage: keyof Stages): number => texts.reduce((sum, text) => sum + sumOf(text, COUNTERS[stage]), 0)
    return { settled: total('settled'), stored: total('stored'), archived: total('archived') }
  }
}
