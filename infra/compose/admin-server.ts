import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'

/** Why a process cannot serve now, in words; empty when it can. */
export type Readiness = () => string[]

/** /metrics, /healthz and /readyz of a process that serves nothing else. Port 0: any free one. */
export const startAdminServer = async (
  port: number,
  host: string,
  registry: Registry,
  notReady: Readiness,
): Promise<{ port: number; close(): Promise<void> }> => {
  const server: Server = createServer(async (request, response) => {
    switch (new URL(request.url ?? '/', 'http://localhost').pathname) {
      case '/metrics':
        response.setHeader('content-type', registry.contentType).end(await registry.metrics())
        return
      case '/healthz':
        response.end('ok\n')
        return
      case '/readyz': {
        const reasons = notReady()
        response
          .writeHead(reasons.length === 0 ? 200 : 503)
          .end(reasons.length === 0 ? 'ready\n' : `${reasons.join('\n')}\n`)
        return
      }
      default:
        response.writeHead(404).end()
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
