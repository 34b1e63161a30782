import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream'

/** There is no message there: an answer as any other. */
const NONE = 404
/** A connection that goes in the middle of an answer leaves it without an end. */
const STALL_MS = 5_000

interface Query {
  seq: number
  batch: number
  next_by_subj?: string
  max_bytes?: number
}

const isNone = (error: unknown): boolean => (error as { code?: number } | undefined)?.code === NONE

/**
 * Messages of one direct get. The library's own iterator keeps its subscription for ever, and waits without end for an
 * answer that broke off; with a callback it gives the subscription back.
 */
export async function* readBatch(jsm: JetStreamManager, stream: string, query: Query): AsyncGenerator<StoredMsg> {
  const queue: StoredMsg[] = []
  let over: { error?: unknown } | undefined
  let wake: () => void = () => undefined
  const callback = (done: { err?: unknown } | null, message: StoredMsg): void => {
    if (done) over ??= { error: isNone(done.err) ? undefined : done.err }
    else queue.push(message)
    wake()
  }
  const answer = await jsm.direct.getBatch(stream, { ...query, callback } as never)
  const more = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => answer.stop(new Error('the answer to a direct get broke off')), STALL_MS)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  try {
    for (;;) {
      for (const message of queue.splice(0)) yield message
      if (queue.length > 0) continue
      if (!over) await more()
      else if (over.error) throw over.error
      else return
    }
  } finally {
    answer.stop()
  }
}
