import type { Durability } from '#infra/nats/durability.ts'
import type { Keys } from './first-keys.ts'

/** endpoints.json in the data folder: written when all is ready, removed when it stops. */
export interface Endpoints {
  graphql: string
  ws: string
  collector: string
  /** host:port */
  grpc: string
  dashboard: string
  nats: string
  /** For bootstrap.servers; absent when no Kafka server was asked for. */
  kafka?: string
  /** Of each process by name, where /metrics, /healthz and /readyz are its own. A gateway answers everything there. */
  admin: Record<string, string>
}

/** Where this machine reaches a server that listens on `host`. */
export const reachableHost = (host: string): string => (host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host)

const authorityOf = (host: string, port: number): string => {
  const reachable = reachableHost(host)
  return `${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`
}

export interface EndpointPorts {
  http: number
  grpc: number
  kafka?: number
  /** By name of the process. */
  admin: Record<string, number>
}

export const endpointsOf = (host: string, { http, grpc, kafka, admin }: EndpointPorts, nats: string): Endpoints => {
  const authority = authorityOf(host, http)
  return {
    graphql: `http://${authority}/graphql`,
    ws: `ws://${authority}/graphql`,
    collector: `http://${authority}/v1/events`,
    grpc: authorityOf(host, grpc),
    dashboard: `http://${authority}/`,
    nats,
    ...(kafka === undefined ? {} : { kafka: authorityOf(host, kafka) }),
    admin: Object.fromEntries(Object.entries(admin).map(([name, port]) => [name, `http://${authorityOf(host, port)}`])),
  }
}

const doubt = ({ level, reason }: Durability): string =>
  level === 'FSYNCED' ? '' : `  (durability: unverified; ${reason})`

/** What a newcomer needs: addresses, keys, and lines to paste. */
export const welcomeText = (endpoints: Endpoints, keys: Keys, folder: string, durability: Durability): string => {
  const rows = [
    // The page reads the token from the fragment, which no browser sends to a server.
    ['dashboard', `${endpoints.dashboard}#token=${keys.readToken}`],
    ['GraphQL', endpoints.graphql],
    ['WebSocket', endpoints.ws],
    ['collector', endpoints.collector],
    ['gRPC', endpoints.grpc],
    ['NATS', `${endpoints.nats}${doubt(durability)}`],
    ...(endpoints.kafka === undefined ? [] : [['Kafka', endpoints.kafka]]),
    ['data', folder],
    ['write key', keys.writeKey],
    ['read token', keys.readToken],
    ['admin token', keys.adminToken],
  ]
  return `
${rows.map(([name, value]) => `  ${name.padEnd(12)} ${value}`).join('\n')}

Send an event:

  curl ${endpoints.collector} -H 'Authorization: Bearer ${keys.writeKey}' \\
    -d '{"name":"page_view","sessionId":"s1","properties":{"path":"/","method":"GET","status":200,"bytes":512}}'

The same in GraphQL, with the write key:

  mutation {
    trackEvents(events: [{ name: "page_view", sessionId: "s1", properties: { path: "/", method: "GET" } }]) {
      accepted
      verdicts { index code message }
    }
  }

Ctrl-C stops everything.
`
}
