import '#infra/compose/heap.ts'
import { once } from 'node:events'
import { encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import { createGenerator } from './generator.ts'
import { createGrpcLink } from './grpc-link.ts'
import { createHttpLink } from './http-link.ts'
import type { Link, LinkOptions } from './link.ts'
import type { FromLoad, LoadOptions, LoadResult } from './load-process.ts'
import { createMix } from './mix.ts'
import { envelopeOf } from './protocol.ts'
import { createSchedule } from './schedule.ts'
import { createRenderer } from './template.ts'

/** Distinct events of the templates. */
const MIX_EVENTS = 12_800
const GRACE_MS = 15_000
const SILENCE_MS = 30_000

const tell = (message: FromLoad): Promise<void> => new Promise((resolve) => process.send!(message, () => resolve()))

/** Resolves when all connections are open. */
const openLinks = async (
  { protocol, address, writeKey, connections }: LoadOptions,
  options: Omit<LinkOptions, 'onOpen'>,
  onOpen: (link: Link) => void,
): Promise<Link[]> => {
  const all = Promise.withResolvers<void>()
  let open = 0
  const opened = (link: Link): void => {
    onOpen(link)
    if (++open === connections) all.resolve()
  }
  const create = () =>
    protocol === 'grpc'
      ? createGrpcLink(address, writeKey, { ...options, onOpen: opened })
      : createHttpLink(address, { ...options, onOpen: opened })
  const links = Array.from({ length: connections }, create)
  await all.promise
  return links
}

const main = async (options: LoadOptions): Promise<void> => {
  const { batch, firstRequest = 0 } = options
  const renderer = createRenderer(createMix(Math.max(MIX_EVENTS, batch)), batch, envelopeOf(options))
  const generator = createGenerator({
    batch,
    renderer,
    nextDue: createSchedule(options),
    firstRequest,
    graceMs: GRACE_MS,
    measureFromMs: 1_000 * (options.warmUpSeconds ?? 0),
    onSecond: (second) => void tell({ kind: 'second', second }),
  })
  const links = await openLinks(options, { longest: renderer.longest, silenceMs: SILENCE_MS }, generator.free)
  const go = once(process, 'message')
  await tell({ kind: 'ready' })
  await go
  const before = process.cpuUsage()
  const { histogram, acknowledged, ...figures } = await generator.run()
  const { user, system } = process.cpuUsage(before)
  for (const link of links) link.close()
  const result: LoadResult = {
    ...figures,
    bytesPerEvent: renderer.bytesPerEvent,
    cpuMicrosPerEvent: (user + system) / Math.max(1, figures.sent),
    latency: encodeIntoCompressedBase64(histogram),
    acknowledged: acknowledged.bytes(),
  }
  await tell({ kind: 'done', result })
  process.disconnect()
}

process.once('disconnect', () => process.exit())
const [options] = (await once(process, 'message')) as [LoadOptions]
await main(options)
