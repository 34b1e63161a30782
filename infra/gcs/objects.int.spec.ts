import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { objectStoreContract } from '#processors/archive/object-store.contract.ts'
import { ObjectConflict, type ObjectStore } from '#processors/ports.ts'
import { type GcsFault, gcsOrSkip } from '../testing/gcs.ts'
import { openBucket } from './objects.ts'

const gcs = await gcsOrSkip()
afterAll(() => gcs?.[Symbol.asyncDispose]())

describe.skipIf(!gcs)('Google Cloud Storage', () => {
  const { endpoint, bucket } = gcs ?? { endpoint: '', bucket: '' }
  const open = (prefix: string, settings: { resumableBytes?: number; timeoutMs?: number } = {}): ObjectStore =>
    openBucket({ bucket, prefix, endpoint, ...settings })

  afterEach(() => {
    if (gcs) gcs.weather = () => undefined
  })

  for (const [name, resumableBytes] of [
    ['whole uploads', 100_000_000],
    ['resumable uploads', 0],
  ] as const) {
    objectStoreContract(`Google Cloud Storage, ${name}`, async () => {
      // Of a bucket that others use as well.
      const prefix = `${randomUUID()}/x`
      return {
        store: open(prefix, { resumableBytes }),
        another: () => open(prefix, { resumableBytes }),
        close: async () => undefined,
      }
    })
  }

  it('sees nothing beside its prefix', async () => {
    const prefix = randomUUID()
    await open('').put(`${prefix}-beside`, new Uint8Array(1), null)
    await open('').put(`${prefix}/inside`, new Uint8Array(2), null)
    const names = []
    for await (const { name } of open(prefix).list('')) names.push(name)
    expect(names).toEqual(['inside'])
  })

  const body = new Uint8Array(700_000).map((_, i) => i % 253)
  const isUpload = ({ method, url }: { method: string; url: string }) =>
    (method === 'POST' || method === 'PUT') && url.includes('/upload/')

  /** The first so many uploads meet this. */
  const first = (count: number, fault: GcsFault): void => {
    let left = count
    gcs!.weather = (request) => (isUpload(request) && left-- > 0 ? fault : undefined)
  }

  const expectWhole = async (store: ObjectStore): Promise<void> => {
    expect(Buffer.compare((await store.get('x'))!.data, body)).toBe(0)
  }

  describe.each([
    ['whole', 100_000_000],
    ['resumable', 0],
  ])('a %s upload', (_, resumableBytes) => {
    const fresh = () => open(randomUUID(), { resumableBytes, timeoutMs: 2_000 })

    it.each<[string, number, GcsFault]>([
      ['the server is overloaded', 2, { kind: 'status', status: 503 }],
      ['there are too many requests', 1, { kind: 'status', status: 429 }],
      ['the connection is cut before the server has it', 1, { kind: 'cut', afterBytes: 100_000 }],
      ['the server does not answer', 1, { kind: 'silent' }],
    ])('arrives once when %s', async (_, count, fault) => {
      const store = fresh()
      const before = gcs!.faults()
      first(count, fault)
      await store.put('x', body, null)
      expect(gcs!.faults()).toBeGreaterThan(before)
      await expectWhole(store)
    })

    it('that was stored and not answered is there, whole, and the next try says so', async () => {
      const store = fresh()
      let left = 2
      gcs!.weather = (request) => (isUpload(request) && left-- > 0 ? { kind: 'lost' } : undefined)
      const outcome = await store.put('x', body, null).catch((error: unknown) => error)
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(ObjectConflict)
      await expectWhole(store)
      await expect(store.put('x', new Uint8Array(1), null)).rejects.toThrow(ObjectConflict)
      await expectWhole(store)
    })
  })

  it('refuses for good what the server refuses', async () => {
    const store = openBucket({ bucket: 'there-is-none', prefix: '', endpoint })
    await expect(store.put('x', body, null)).rejects.toMatchObject({ code: 404 })
  })

  it('gives up with an error where nobody listens', async () => {
    const store = openBucket({ bucket, prefix: '', endpoint: 'http://127.0.0.1:9', timeoutMs: 500 })
    await expect(store.info('x')).rejects.toThrow()
  })
})
