import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { createSchema, createYoga } from 'graphql-yoga'

/**
 * The plain way: a resolver that publishes each event as a message of its own and answers when JetStream has
 * acknowledged it. It checks, enriches and counts nothing.
 */
const TYPES = `
  scalar JSON
  input EventInput {
    id: ID  name: String!  time: String  sessionId: String  userId: String  anonymousId: String
    properties: JSON  context: JSON
  }
  type Verdict { index: Int!  code: String }
  type Receipt { accepted: Int!  rejected: Int!  shed: Int!  verdicts: [Verdict!]! }
  type Query { ok: Boolean! }
  type Mutation { trackEvents(events: [EventInput!]!): Receipt! }`

const STREAM = 'plain_events'
/** Longer than the client's own: a server that is slow is measured, not refused. */
const PATIENCE = { timeout: 30_000 }

const main = async (url: string): Promise<void> => {
  const nats = await connect({ servers: url, name: 'millrace bench, the plain way' })
  const manager = await jetstreamManager(nats)
  await manager.streams.add({ name: STREAM, subjects: [`${STREAM}.*`] })
  const js = jetstream(nats)
  const trackEvents = async (_: unknown, { events }: { events: { name: string }[] }) => {
    await Promise.all(events.map((event) => js.publish(`${STREAM}.${event.name}`, JSON.stringify(event), PATIENCE)))
    return { accepted: events.length, rejected: 0, shed: 0, verdicts: [] }
  }
  const resolvers = { Query: { ok: () => true }, Mutation: { trackEvents } }
  const server = createServer(createYoga({ schema: createSchema({ typeDefs: TYPES, resolvers }), logging: false }))
  server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }))
  process.once('SIGTERM', async () => {
    server.closeAllConnections()
    await manager.streams.delete(STREAM)
    process.exit(0)
  })
  process.once('disconnect', () => process.exit(1))
}

await main(process.argv[2])
