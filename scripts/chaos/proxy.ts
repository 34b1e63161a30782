import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** What is wrong with the way between clients and the server. */
export interface Trouble {
  /** Every byte comes so much later, milliseconds. */
  delayMs?: number
  /** Bytes a second and direction of each connection. */
  bandwidth?: number
  /** Nothing passes and nobody is told, as with a cable that was pulled. */
  frozen?: boolean
  /** Connections end at once; new ones too. */
  refused?: boolean
}

export interface NatsProxy extends AsyncDisposable {
  port: number
  /** Names of the clients that are connected, one an entry. */
  clients(): string[]
  /** Ends connections as a crash of the way would, those of clients whose name is chosen; answers how many. */
  cut(chosen: (client: string) => boolean): number
  /** Sets what is wrong for the clients chosen; undone by the function that it answers. */
  trouble(chosen: (client: string) => boolean, trouble: Trouble): () => void
}

interface Rule {
  chosen: (client: string) => boolean
  trouble: Trouble
}

const HELD_BYTES = 1_000_000
const LOOK_MS = 10
const CLIENT = /"name":"([^"]*)"/

/** Resolves when the socket takes more, or never will. */
const roomIn = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done)
      resolve()
    }
    socket.on('drain', done).on('close', done)
  })

/** Passes what comes from one socket to the other, in order, as the trouble of the moment lets it. */
const passOn = (from: Socket, to: Socket, trouble: () => Trouble): void => {
  const queue: { data: Buffer; at: number }[] = []
  let held = 0
  let passing = false
  const pass = async (): Promise<void> => {
    for (let next = queue[0]; next && !to.destroyed; next = queue[0]) {
      while (trouble().frozen && !to.destroyed) await delay(LOOK_MS)
      const { delayMs = 0, bandwidth = Number.POSITIVE_INFINITY } = trouble()
      const waitMs = Math.max(0, next.at + delayMs - performance.now()) + (next.data.length / bandwidth) * 1000
      if (waitMs > 0) await delay(waitMs)
      queue.shift()
      held -= next.data.length
      if (held < HELD_BYTES) from.resume()
      if (!to.destroyed && !to.write(next.data)) await roomIn(to)
    }
  }
  from.on('data', (data) => {
    queue.push({ data, at: performance.now() })
    held += data.length
    if (held >= HELD_BYTES) from.pause()
    if (passing) return
    passing = true
    pass()
      .catch(() => to.destroy())
      .finally(() => {
        passing = false
      })
  })
}

/** A door before a NATS server, on a free port: it knows its clients by the name in their CONNECT. */
export const openProxy = async (server: () => { host: string; port: number }): Promise<NatsProxy> => {
  const connections = new Map<Socket, { client: string; end: () => void }>()
  const rules = new Set<Rule>()
  const troubleOf = (client: string): Trouble => {
    let all: Trouble = {}
    for (const { chosen, trouble } of rules) if (chosen(client)) all = { ...all, ...trouble }
    return all
  }

  const listener = createServer({ noDelay: true }, (socket) => {
    const upstream = connect({ ...server(), noDelay: true })
    const end = (): void => {
      connections.delete(socket)
      socket.destroy()
      upstream.destroy()
    }
    const connection = { client: '', end }
    connections.set(socket, connection)
    for (const side of [socket, upstream]) side.on('error', end).on('close', end)
    socket.once('data', (data) => {
      connection.client = CLIENT.exec(data.toString('latin1'))?.[1] ?? ''
      if (troubleOf(connection.client).refused) end()
    })
    const trouble = (): Trouble => troubleOf(connection.client)
    passOn(socket, upstream, trouble)
    passOn(upstream, socket, trouble)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')

  const cut = (chosen: (client: string) => boolean): number => {
    const some = [...connections.values()].filter(({ client }) => chosen(client))
    for (const { end } of some) end()
    return some.length
  }
  return {
    port: (listener.address() as AddressInfo).port,
    clients: () => [...connections.values()].map(({ client }) => client),
    cut,
    trouble: (chosen, trouble) => {
      const rule = { chosen, trouble }
      rules.add(rule)
      if (trouble.refused) cut(chosen)
      return () => void rules.delete(rule)
    },
    [Symbol.asyncDispose]: async () => {
      cut(() => true)
      listener.close()
      await once(listener, 'close')
    },
  }
}
