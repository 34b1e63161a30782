import type { AddressInfo, Server } from 'node:net'

/** Where a server listens. */
export interface Place {
  /** 0 asks for any free one. */
  port: number
  host: string
  /** Other processes listen on the same port, each with `shared`: the system spreads connections over them. */
  shared?: boolean
}

/** Answers the port. Rejects when it is taken, and with ENOTSUP where the system does not share ports. */
export const listenOn = async (server: Server, { port, host, shared = false }: Place): Promise<number> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ port, host, reusePort: shared }, resolve)
  await promise
  server.off('error', reject)
  return (server.address() as AddressInfo).port
}
