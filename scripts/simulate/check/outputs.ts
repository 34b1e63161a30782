import type { StoredMessage } from '#infra/nats/broker.ts'
import { decodeOutcomes, type Head, type OutputRow, type Settlement } from '#schema/checkpoint.ts'
import { HEAD_KEY, logStream, settledSubject, stateKey, stateStream } from '#schema/subjects.ts'
import type { World } from '../cluster/world.ts'
import type { Model } from './model.ts'

const decoder = new TextDecoder()
const parse = <T>(message: StoredMessage): T => JSON.parse(decoder.decode(message.data)) as T

export const headOf = (world: World, partition: number): Head | null => {
  const message = world.server.stream(stateStream(partition)).last(stateKey(partition, HEAD_KEY))
  return message && parse<Head>(message)
}

const historyOf = <T>(world: World, partition: number, subject: string): T[] =>
  world.server
    .stream(stateStream(partition))
    .history.filter((message) => message.subject === subject)
    .map((message) => parse<T>(message))

/** Changes of all checkpoints that were ever committed. */
export const changesOf = (world: World): OutputRow[] =>
  Array.from({ length: world.partitions }, (_, partition) =>
    world.server
      .stream(stateStream(partition))
      .history.filter(({ subject }) => subject.startsWith('aggregates.'))
      .flatMap(({ data }) => decoder.decode(data).split('\n'))
      .map((line) => JSON.parse(line) as OutputRow),
  ).flat()

/** Heads: epochs and checkpoints never go back, and no two writes share a checkpoint number. */
const checkHeads = (world: World, partition: number, fail: (what: string) => void): void => {
  let before: Head | undefined
  for (const head of historyOf<Head>(world, partition, stateKey(partition, HEAD_KEY))) {
    if (before) {
      const isClaim = head.epoch === before.epoch + 1 && head.checkpoint === before.checkpoint
      const isCommit = head.epoch === before.epoch && head.checkpoint === before.checkpoint + 1
      if (!isClaim && !isCommit)
        fail(`head ${head.epoch}/${head.checkpoint} follows ${before.epoch}/${before.checkpoint}`)
    }
    before = head
  }
}

/** Settlements cover the log without a hole or an overlap, and their clocks never go back. */
const checkSettlements = (world: World, partition: number, model: Model, fail: (what: string) => void): void => {
  let checkpoint = 0
  let sequence = 0
  const clocks = new Map<string, number>()
  for (const settlement of historyOf<Settlement>(world, partition, settledSubject(partition))) {
    if (settlement.checkpoint !== ++checkpoint)
      fail(`checkpoint ${settlement.checkpoint} comes as number ${checkpoint}`)
    if (settlement.from !== sequence + 1)
      fail(`checkpoint ${checkpoint} begins at ${settlement.from}, not ${sequence + 1}`)
    for (let seq = settlement.from; seq <= settlement.to; seq++) {
      const expected = model.outcomes.get(`${partition} ${seq}`)
      if (!expected) continue
      const text = settlement.outcomes[seq]
      const found = text === undefined ? expected.map(() => 'C') : decodeOutcomes(text)
      if (found.join('') !== expected.join('')) fail(`frame ${seq}: ${found.join('')} instead of ${expected.join('')}`)
    }
    for (const { tenant, source, watermark } of settlement.clocks) {
      const key = `${tenant} ${source}`
      if (watermark < (clocks.get(key) ?? Number.NEGATIVE_INFINITY)) fail(`the watermark of ${key} went back`)
      clocks.set(key, watermark)
    }
    sequence = settlement.to
  }
  for (const [key, watermark] of clocks) {
    const expected = model.clocks.get(JSON.stringify([partition, ...key.split(' ')]))?.watermark
    if (watermark !== expected) fail(`the watermark of ${key} is ${watermark} instead of ${expected}`)
  }
}

/** What processors committed, in every partition. */
export const checkOutputs = (world: World, model: Model): void => {
  for (let partition = 0; partition < world.partitions; partition++) {
    const fail = (what: string): void => void world.failures.push(`partition ${partition}: ${what}`)
    checkHeads(world, partition, fail)
    checkSettlements(world, partition, model, fail)
  }
}

/** Logs as far as they are settled. */
export const settledLogs = (world: World): StoredMessage[][] =>
  Array.from({ length: world.partitions }, (_, partition) => {
    const sequence = headOf(world, partition)?.sequence ?? 0
    return world.server.stream(logStream(partition)).history.filter(({ seq }) => seq <= sequence)
  })
