import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder, onPath } from '../nats/binary.ts'
import { endProcess } from '../nats/process.ts'
import { until } from './until.ts'

const run = promisify(execFile)
const MODULE = 'github.com/fsouza/fake-gcs-server'
const PINNED = '1.56.1'

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

/**
 * Path of a server that speaks the protocol of Google Cloud Storage: the cache's, else built with Go. Null where there is
 * no Go.
 */
export const findGcsServer = async (env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<string | null> => {
  const cached = join(cacheFolder(env), `fake-gcs-server-${PINNED}`)
  if (await exists(cached)) return cached
  const go = await onPath('go', env)
  if (!go) return null
  say(`building fake-gcs-server ${PINNED} with go: a minute or two, only this once`)
  await mkdir(cacheFolder(env), { recursive: true })
  const folder = await mkdtemp(join(cacheFolder(env), 'making-'))
  try {
    const settings = { ...env, GOBIN: folder, CGO_ENABLED: '0' }
    await run(go, ['install', `${MODULE}@v${PINNED}`], { env: settings, timeout: 900_000 })
    await rename(join(folder, 'fake-gcs-server'), cached)
    return cached
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface GcsServer extends AsyncDisposable {
  readonly port: number
}

/** Starts it with one empty bucket. It tells its clients that it is at `address`: uploads go on there. */
export const startGcsServer = async (
  binary: string,
  { port, address, bucket }: { port: number; address: string; bucket: string },
): Promise<GcsServer> => {
  const flags = ['-scheme', 'http', '-backend', 'memory', '-host', '127.0.0.1', '-log-level', 'error']
  const child: ChildProcess = spawn(binary, [...flags, '-port', String(port), '-external-url', address], {
    stdio: ['ignore', 'ignore', 'ignore'],
  })
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  failed.catch(() => undefined)
  const url = `http://127.0.0.1:${port}/storage/v1/b`
  try {
    await Promise.race([
      failed,
      until('the bucket is made', async () => {
        if (child.exitCode !== null) throw new Error('fake-gcs-server has ended')
        const response = await fetch(`${url}?project=test`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ name: bucket }),
        })
        return response.ok || response.status === 409
      }),
    ])
  } catch (error) {
    if (child.pid) await endProcess(child.pid)
    throw error
  }
  return {
    port,
    async [Symbol.asyncDispose]() {
      if (child.pid) await endProcess(child.pid)
    },
  }
}
