import { request } from 'node:http'
import { fileURLToPath } from 'node:url'
import { type Client, credentials, loadPackageDefinition, Metadata, type ServiceError } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { TestProduct } from '#infra/testing/product.ts'

const PROTO = fileURLToPath(new URL('../../schema/collector.proto', import.meta.url))

/** Sends events over a connection of their own; answers the status. */
export const postFresh = ({ endpoints, keys }: TestProduct, events: object[]): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${keys.writeKey}` }
    const sent = request(endpoints.collector, { method: 'POST', agent: false, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode!))
    })
    sent.once('error', reject).end(JSON.stringify(events))
  })

interface CollectorClient extends Client {
  track(
    request: object,
    metadata: Metadata,
    answer: (error: ServiceError | null, receipt: { accepted: number }) => void,
  ): void
}

/** The same over gRPC; answers how many were accepted. */
export const trackFresh = ({ endpoints, keys }: TestProduct, events: object[]): Promise<number> => {
  const { millrace } = loadPackageDefinition(loadSync(PROTO)) as never as {
    millrace: { v1: { Collector: new (...args: ConstructorParameters<typeof Client>) => CollectorClient } }
  }
  // Channels to one address share their connections otherwise.
  const options = { 'grpc.use_local_subchannel_pool': 1 }
  const client = new millrace.v1.Collector(endpoints.grpc, credentials.createInsecure(), options)
  const metadata = new Metadata()
  metadata.set('authorization', `Bearer ${keys.writeKey}`)
  return new Promise<number>((resolve, reject) => {
    const body = Buffer.from(JSON.stringify(events))
    client.track({ body }, metadata, (error, receipt) => (error ? reject(error) : resolve(receipt.accepted)))
  }).finally(() => client.close())
}
