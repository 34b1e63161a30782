import { connect, headers } from '@nats-io/transport-node'
import { expect, test } from 'vitest'
import { startTestNats } from '../testing/nats.ts'
import { createRequests } from './requests.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const setUp = async () => {
  const nats = await startTestNats()
  const [nc, other] = await Promise.all([connect({ servers: nats.url }), connect({ servers: nats.url })])
  const request = createRequests(nc)
  const ask = async (subject: string, text: string, timeoutMs = 5_000): Promise<string> =>
    decoder.decode(await request(subject, encoder.encode(text), headers(), timeoutMs))
  return {
    ask,
    nc,
    other,
    async [Symbol.asyncDispose]() {
      await Promise.all([nc.close(), other.close()])
      await nats[Symbol.asyncDispose]()
    },
  }
}

test('each of many requests gets its own answer, in whichever order they come', async () => {
  await using rig = await setUp()
  const { ask, other } = rig
  const kept: (() => void)[] = []
  other.subscribe('echo', {
    callback: (_, message) => {
      kept.push(() => message.respond(message.data))
      if (kept.length === 3) for (const respond of kept.reverse()) respond()
    },
  })
  await other.flush()
  expect(await Promise.all(['a', 'b', 'c'].map((text) => ask('echo', text)))).toEqual(['a', 'b', 'c'])
})

test('one that nobody answers is refused: at once where nobody listens, else when its time is over', async () => {
  await using rig = await setUp()
  const { ask, other } = rig
  other.subscribe('silent', { callback: () => {} })
  await other.flush()
  const startedAt = performance.now()
  await expect(ask('nowhere', 'x', 30_000)).rejects.toThrow('nobody answers at nowhere')
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  const askedAt = performance.now()
  const [long, short] = [ask('silent', 'x', 600), ask('silent', 'x', 200)]
  await expect(short).rejects.toThrow('no answer came in time from silent')
  const shortMs = performance.now() - askedAt
  await expect(long).rejects.toThrow('no answer came in time from silent')
  const longMs = performance.now() - askedAt
  expect(shortMs).toBeGreaterThanOrEqual(200)
  expect(shortMs).toBeLessThan(longMs)
  expect(longMs).toBeGreaterThanOrEqual(600)
})

test('an answer that comes too late is nobody’s', async () => {
  await using rig = await setUp()
  const { ask, other } = rig
  other.subscribe('slow', {
    callback: (_, message) => {
      if (message.string() === 'late') setTimeout(() => message.respond('old'), 300)
      else message.respond('new')
    },
  })
  await other.flush()
  await expect(ask('slow', 'late', 100)).rejects.toThrow('in time')
  expect(await ask('slow', 'now')).toBe('new')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(await ask('slow', 'again')).toBe('new')
})

test('those under way are refused when the connection ends, and so are later ones', async () => {
  await using rig = await setUp()
  const { ask, nc, other } = rig
  other.subscribe('silent', { callback: () => {} })
  await other.flush()
  const startedAt = performance.now()
  const asked = expect(ask('silent', 'x', 30_000)).rejects.toThrow('the connection has ended')
  await nc.flush()
  await nc.close()
  await asked
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  await expect(ask('silent', 'x')).rejects.toThrow()
})
