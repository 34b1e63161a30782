import type { Logger } from 'pino'
import type { Nats } from '#infra/nats/connect.ts'

/** Follows whether the connection to NATS is up, for readiness and for the operator's log. */
export const watchConnection = ({ nc }: Nats, logger: Logger): { problems(): string[] } => {
  let connected = true
  const follow = async (): Promise<void> => {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') connected = false
      else if (status.type === 'reconnect') connected = true
      else continue
      logger.warn({ connected }, connected ? 'connected to NATS again' : 'the connection to NATS is lost')
    }
  }
  follow().catch((error: unknown) => logger.error({ err: error }, 'the connection is no longer followed'))
  return { problems: () => (connected && !nc.isClosed() ? [] : ['there is no connection to NATS']) }
}
