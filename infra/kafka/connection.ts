import type { Socket } from 'node:net'
import type { ByteBudget } from './byte-budget.ts'
import { readFrames } from './frames.ts'
import type { KafkaLimits } from './limits.ts'
import type { KafkaMetrics } from './metrics.ts'
import { Refusal } from './refusal.ts'
import type { Answer, KafkaService, Session } from './service.ts'

interface Logger {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

interface Dependencies {
  service: KafkaService
  budget: ByteBudget
  metrics: KafkaMetrics
  logger: Logger
  limits: KafkaLimits
  /** Whether the client has to say who it is. */
  hasUsers: boolean
}

/** A clock for one thing at a time. */
const createTimer = (onOver: (what: string) => void) => {
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => clearTimeout(timer)
  return {
    stop,
    start(what: string, ms: number): void {
      stop()
      timer = setTimeout(() => onOver(what), ms)
    },
  }
}

/** Resolves when the system has all of it, or the socket is closed. */
const send = (socket: Socket, { parts }: Answer): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('close', done)
      resolve()
    }
    socket.once('close', done)
    socket.cork()
    for (const part of parts.slice(0, -1)) socket.write(part)
    socket.write(parts[parts.length - 1], done)
    socket.uncork()
  })

/**
 * Serves one client: one request after the other, as the protocol wants it, and reads the next one when the answer is
 * with the system. So who reads slowly has one answer in memory.
 */
export const serveConnection = (
  socket: Socket,
  { service, budget, metrics, logger, limits, hasUsers }: Dependencies,
): Session => {
  const closed = new AbortController()
  const session: Session = {
    user: hasUsers ? undefined : null,
    expectsPlain: false,
    places: new Map(),
    closed: closed.signal,
  }
  const peer = `${socket.remoteAddress}:${socket.remotePort}`
  const end = (why: string): void => {
    if (!socket.destroyed) logger.info({ peer, user: session.user?.name, why }, 'a connection was ended')
    socket.destroy()
  }
  const slow = (what: string): void => {
    metrics.refused('slow')
    end(what)
  }
  const request = createTimer(slow)
  const answering = createTimer(slow)
  const login = createTimer(slow)
  if (hasUsers) login.start('it did not say who it is', limits.loginMs)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 30_000)
  socket.setTimeout(limits.idleMs, () => end('it was idle'))
  socket.on('error', () => undefined)
  socket.on('close', () => {
    closed.abort()
    request.stop()
    answering.stop()
    login.stop()
  })

  const answer = async (data: Buffer): Promise<void> => {
    const made = await service(data, session)
    if (session.user !== undefined) login.stop()
    if (!made) return
    metrics.sent(made.bytes)
    answering.start('it reads too slowly', limits.answerMs)
    try {
      await send(socket, made)
    } finally {
      made.lease?.release()
      made.span?.end()
      answering.stop()
    }
    if (made.ends) throw made.ends
  }
  const onPart = (isWhole: boolean): void => {
    if (isWhole) request.stop()
    else request.start('its request did not come to an end', limits.requestMs)
  }
  // It stays open for a word on why it is ended.
  const chunks: AsyncIterable<Buffer> = socket.iterator({ destroyOnReturn: false })
  const run = async (): Promise<void> => {
    for await (const { data, lease } of readFrames(chunks, budget, limits, onPart)) {
      try {
        await answer(data)
      } finally {
        lease?.release()
      }
      if (socket.destroyed) return
    }
    socket.end()
  }
  run().catch((error: Error) => {
    if (error instanceof Refusal) {
      metrics.refused(error.reason)
      end(error.message)
    } else {
      if (!socket.destroyed) logger.error({ peer, err: error }, 'a request failed')
      socket.destroy()
    }
  })
  return session
}
