import { createServer } from 'node:net'

const PORT_NAMES = ['zookeeper', 'derby', 'coordinator', 'broker', 'historical', 'indexer', 'router'] as const
export type Ports = Record<(typeof PORT_NAMES)[number], number>

const HOST = '127.0.0.1'

/** Holds a port until all are chosen, so that none is chosen twice; null when it is taken. 0: any free one. */
const hold = (port: number): Promise<{ port: number; release(): Promise<void> } | null> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen(port, HOST, () => {
      const address = server.address()
      const held = typeof address === 'object' && address !== null ? address.port : port
      resolve({ port: held, release: () => new Promise((done) => server.close(() => done())) })
    })
  })

/**
 * A port for each role: the one that it had before where that is still free, else any. Throws where `fixed` is taken.
 */
export const choosePorts = async (before: Partial<Ports>, fixed: Partial<Ports>): Promise<Ports> => {
  const held = []
  const ports: Partial<Ports> = {}
  try {
    for (const name of PORT_NAMES) {
      const wanted = fixed[name]
      const one = wanted ? await hold(wanted) : ((await hold(before[name] ?? 0)) ?? (await hold(0)))
      if (!one) throw new Error(`port ${wanted} is taken: Druid's ${name} needs it, or name another one`)
      held.push(one)
      ports[name] = one.port
    }
  } finally {
    await Promise.all(held.map(({ release }) => release()))
  }
  return ports as Ports
}
