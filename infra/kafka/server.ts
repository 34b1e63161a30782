import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { ByteBudget } from './byte-budget.ts'
import { serveConnection } from './connection.ts'
import type { KafkaLimits } from './limits.ts'
import type { KafkaMetrics } from './metrics.ts'
import type { KafkaService, Session } from './service.ts'

interface Logger {
  info(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface TlsFiles {
  /** PEM. */
  cert: Buffer
  key: Buffer
}

interface KafkaServerOptions {
  host: string
  /** 0: any free one. */
  port: number
  /** Plain TCP without. */
  tls?: TlsFiles
  service: KafkaService
  budget: ByteBudget
  metrics: KafkaMetrics
  logger: Logger
  limits: KafkaLimits
  hasUsers: boolean
}

export interface KafkaServer {
  port: number
  sessions(): Session[]
  close(): Promise<void>
}

export const startKafkaServer = async (options: KafkaServerOptions): Promise<KafkaServer> => {
  const { host, port, tls, metrics, logger, limits } = options
  const sessions = new Map<Socket, Session>()
  /** Those in the middle of a TLS handshake as well. */
  const sockets = new Set<Socket>()
  const serve = (socket: Socket): void => {
    sessions.set(socket, serveConnection(socket, options))
    socket.on('close', () => sessions.delete(socket))
  }
  const server: Server = tls
    ? createTlsServer({ ...tls, minVersion: 'TLSv1.2', handshakeTimeout: limits.loginMs }, serve)
    : createServer(serve)
  server.on('tlsClientError', (error: Error) => logger.info({ why: error.message }, 'a TLS handshake failed'))
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.maxConnections = limits.connections
  server.on('drop', () => metrics.refused('connections'))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  server.on('error', (error) => logger.error({ err: error }, 'a connection could not be taken'))
  return {
    port: (server.address() as AddressInfo).port,
    sessions: () => [...sessions.values()],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
