import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test, vi } from 'vitest'
import { ensurePackages, GRPC } from '#infra/testing/python.ts'
import { openStore } from '#infra/testing/store.ts'
import { start, temporaryFolder } from './lib/start.ts'

const python = ensurePackages(GRPC, process.env, console.error)
const WHY = `could not be had: pip install ${GRPC.packages.join(' ')}`
if (!python && process.env.CI) throw new Error(WHY)
if (!python) console.error(WHY)

const run = promisify(execFile)
const SCHEMA = fileURLToPath(new URL('../schema', import.meta.url))
const CLIENT = fileURLToPath(new URL('fixtures/grpc_client.py', import.meta.url))

test.skipIf(!python)(
  'a client that protoc has made for Python sends events, and finds reflection and health',
  async () => {
    await using product = await start()
    await using store = await openStore(product)
    const { command, env } = python!
    const folder = await temporaryFolder()
    const protoc = ['-m', 'grpc_tools.protoc', `-I${SCHEMA}`, `--python_out=${folder}`, `--grpc_python_out=${folder}`]
    await run(command, [...protoc, 'collector.proto'], { env })
    const args = [CLIENT, folder, product.endpoints.grpc, product.keys.writeKey]
    const { stdout } = await run(command, args, { env, timeout: 60_000 })
    expect(JSON.parse(stdout)).toEqual({
      receipt: {
        accepted: 1,
        rejected: 1,
        verdicts: [
          { id: 'unary', status: 'ACCEPTED' },
          expect.objectContaining({ index: 1, id: 'wrong', status: 'REJECTED', code: 'SCHEMA_VIOLATION' }),
        ],
      },
      stream: Array.from({ length: 100 }, (_, i) => `stream-${i}`),
      refused: { status: 'UNAUTHENTICATED', code: 'UNAUTHENTICATED' },
      health: 'SERVING',
      services: ['millrace.v1.Collector'],
    })
    await vi.waitFor(
      async () => expect(await store.sql('SELECT count(*), count(DISTINCT id) FROM raw_events')).toEqual([[101, 101]]),
      { timeout: 30_000 },
    )
  },
)
