import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Broker } from './broker.ts'
import { createNatsBroker } from './nats-broker.ts'

/** One connection with its clients. `broker` is what the pipeline runs on; the others are for set-up. */
export interface Nats {
  nc: NatsConnection
  js: JetStreamClient
  jsm: JetStreamManager
  kvm: Kvm
  broker: Broker
  close(): Promise<void>
}

/** Connects and stays connected: reconnects for ever, so that a restart of the server needs nobody. */
export const connectNats = async (url: string, name: string): Promise<Nats> => {
  const nc = await connect({
    servers: url.split(','),
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 200,
    reconnectJitter: 100,
    pingInterval: 5_000,
    maxPingOut: 2,
    waitOnFirstConnect: true,
    // Two stack traces for each request that is published cost a gateway more than the request.
    noAsyncTraces: true,
  })
  const js = jetstream(nc, { timeout: 5_000 })
  const jsm = await untilUp(() => jetstreamManager(nc, { timeout: 5_000 }))
  const kvm = new Kvm(js)
  return { nc, js, jsm, kvm, broker: createNatsBroker(nc, js, jsm, kvm), close: () => nc.drain() }
}

/** JetStream answers a little later than the connection: a server that has just started recovers its streams first. */
const untilUp = async <T>(attempt: () => Promise<T>): Promise<T> => {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (tries >= 40) throw error
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
}
