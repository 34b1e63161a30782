import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findNatsServer } from '#infra/nats/binary.ts'
import { ensureChromium } from '#infra/testing/chromium.ts'
import { findGcsServer } from '#infra/testing/gcs-server.ts'
import { ensureJava } from '#infra/testing/java.ts'
import { ensureKcat } from '#infra/testing/kcat.ts'
import { ensurePackages, ensurePython, GRPC, PYARROW } from '#infra/testing/python.ts'

const VITEST = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const ROOT = fileURLToPath(new URL('..', import.meta.url))

interface Report {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numTodoTests: number
  testResults: { status: string; assertionResults: unknown[] }[]
}

const say = (line: string) => console.log(`test: ${line}`)

/** Variables that the tests need: where the browser is, and nats-server first on PATH, so that none builds it again. */
const prepare = async (): Promise<NodeJS.ProcessEnv> => {
  const server = await findNatsServer({ env: process.env, say })
  const env = { ...process.env, PATH: `${dirname(server)}:${process.env.PATH}` }
  if (!ensurePython(process.env, say)) say('no python3 was found: install one; the tests with Python are skipped')
  else {
    for (const wanted of [PYARROW, GRPC]) {
      const names = wanted.packages.join(' ')
      if (!ensurePackages(wanted, process.env, say))
        say(`could not be had: pip install ${names}; its tests are skipped`)
    }
  }
  if (!(await findGcsServer(process.env, say).catch(() => null)))
    say('no server for Google Cloud Storage could be built: install Go (https://go.dev/dl); its tests are skipped')
  if (!ensureKcat(process.env, say))
    say('no kcat was found: install one; the tests of the Kafka server with it are skipped')
  const noJava = await ensureJava(process.env, say)
  if (noJava) say(`${noJava}; the tests with Druid and the Java client of Kafka are skipped`)
  const chromium = ensureChromium(process.env, say)
  if (chromium) return { ...env, MILLRACE_CHROMIUM: chromium }
  say('no Chromium was found: install one, or name it with MILLRACE_CHROMIUM; the browser tests are skipped')
  return env
}

const runVitest = (args: string[], env: NodeJS.ProcessEnv): Promise<number> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [VITEST, 'run', ...args], { stdio: 'inherit', cwd: ROOT, env })
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
    child.on('exit', (code) => resolve(code ?? 1))
  })

/** Files that could not be run at all count as one failure each: they hold tests that nobody has counted. */
const summary = ({ numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults }: Report) => {
  const broken = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length
  return { passed: numPassedTests, failed: numFailedTests + broken, skipped: numPendingTests + numTodoTests }
}

const main = async (filters: string[]): Promise<number> => {
  const env = await prepare()
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'))
  try {
    const file = join(folder, 'report.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const code = await runVitest([...reporters, ...filters], env)
    const { passed, failed, skipped } = summary(JSON.parse(await readFile(file, 'utf8')))
    console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
    return code !== 0 || failed > 0 || passed === 0 ? code || 1 : 0
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

process.exitCode = await main(process.argv.slice(2))
