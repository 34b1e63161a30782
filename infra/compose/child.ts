import './heap.ts'
import pino, { type Logger } from 'pino'

/** Log lines as JSON on stderr, with the name of the process. */
export const createLogger = (name: string, level: string): Logger =>
  pino({ name, level, base: { pid: process.pid } }, pino.destination({ dest: 2, sync: true }))

/** Tells the parent, when there is one, that this process serves. */
export const reportReady = (ports: Record<string, number>): void => {
  process.send?.({ ready: true, ports })
}

/** A line for the person at the terminal, when the parent has one. */
export const tellOperator = (text: string): void => {
  process.send?.({ notice: text })
}

/**
 * Runs `stop` once on SIGTERM or SIGINT, or when the parent is gone, then ends the process. A stop that hangs is ended
 * after `deadlineMs`.
 */
export const onStop = (logger: Logger, deadlineMs: number, stop: () => Promise<void>): void => {
  let stopping = false
  const run = (reason: string) => async () => {
    if (stopping) return
    stopping = true
    logger.info({ reason }, 'stopping')
    setTimeout(() => process.exit(1), deadlineMs).unref()
    try {
      await stop()
      process.exit(0)
    } catch (error) {
      logger.error({ error: String(error) }, 'did not stop cleanly')
      process.exit(1)
    }
  }
  process.on('SIGTERM', run('SIGTERM'))
  process.on('SIGINT', run('SIGINT'))
  process.on('disconnect', run('the parent is gone'))
}
