import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openPlace } from '#infra/archive/place.ts'
import { gcsOrSkip } from '#infra/testing/gcs.ts'
import { createManifests } from '#processors/archive/documents.ts'
import { withAddition } from '#processors/archive/manifest.ts'

const MAIN = join(import.meta.dirname, 'archive.main.ts')
let data: string
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'millrace-archive-main-'))
})
afterEach(() => rm(data, { recursive: true }))

const run = async (...args: string[]) => {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args, `--data=${data}`])
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}

it('explains itself, and refuses what it does not know in words', async () => {
  expect((await run('--help')).stdout).toContain('npm run archive -- verify|compact|ls')
  expect(await run()).toMatchObject({ code: 2, stderr: expect.stringContaining('expected one of verify') })
  expect(await run('burn')).toMatchObject({ code: 2, stderr: expect.stringContaining('expected one of verify') })
  expect(await run('ls', '--colour')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("Unknown option '--colour'"),
  })
  expect(await run('verify')).toMatchObject({ code: 2, stderr: expect.stringContaining('names no nats-server') })
})

it('lists and tends an archive where there is nothing', async () => {
  const empty = { files: 0, rows: 0, bytes: 0, groups: [] }
  expect(JSON.parse((await run('ls', '--json')).stdout)).toMatchObject({ archive: join(data, 'archive'), ...empty })
  const tended = await run('compact', '--json')
  expect(tended.stderr).toBe('')
  expect(JSON.parse(tended.stdout)).toMatchObject({ merged: 0, expired: 0, removed: 0 })
  expect(await readdir(data)).toEqual([])
})

const gcs = await gcsOrSkip()

describe.skipIf(!gcs)('a bucket', () => {
  it('is listed by its name', async () => {
    const place = `gs://${gcs!.bucket}/lake`
    const store = await openPlace(place, { endpoint: gcs!.endpoint })
    const group = { outcome: 'events', tenant: 'main', date: '2024-05-01' } as const
    const range = { partition: 0, from: 1, to: 2 }
    const addition = { deployment: 'abcd1234', range, file: null, duplicates: 3, at: 0 }
    await createManifests(store)(group).change((manifest) => withAddition(manifest, addition))
    const { stdout, stderr } = await run('ls', `--archive=${place}`, `--archive-endpoint=${gcs!.endpoint}`)
    expect(JSON.parse(stdout)).toMatchObject({ archive: place, groups: [{ tenant: 'main', duplicates: 3, files: 0 }] })
    expect(stderr).toMatch(/events +main +2024-05-01/)
    await gcs![Symbol.asyncDispose]()
  })
})
