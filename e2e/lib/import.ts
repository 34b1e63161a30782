import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { TestProduct } from '#infra/testing/product.ts'

const MAIN = fileURLToPath(new URL('../../scripts/import/import.main.ts', import.meta.url))
/** 10,000 lines of a real access log; samples/README.md says what it holds. */
export const SAMPLE = fileURLToPath(new URL('../../samples/apache_logs.gz', import.meta.url))

/** The JSON object that an import ends with. */
export interface ImportReport {
  source: string
  lines: number
  accepted: number
  rejected: number
  retries: number
  verdicts: Record<string, number>
  failure?: string
}

/** Imports an access log as a user does. Rejects when there is no report; the process ends with the signal. */
export const runImport = async (
  { dataDir }: TestProduct,
  flags: string[] = [],
  signal: AbortSignal = AbortSignal.timeout(240_000),
): Promise<ImportReport> => {
  const args = [MAIN, '--format=apache-combined', `--data=${dataDir}`, '--json', ...flags, SAMPLE]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const last = stdout.trimEnd().split('\n').at(-1)
  if (!last) throw new Error(`the import ended with ${code} and no report: ${stderr}`)
  return JSON.parse(last) as ImportReport
}
