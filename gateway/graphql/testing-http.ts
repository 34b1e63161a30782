import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { expect } from 'vitest'
import { readGraphqlBody } from '#gateway/http/graphql-body.ts'
import type { row } from '#gateway/live/testing.ts'
import { MillraceError } from '#schema/errors.ts'
import type { GraphqlServices } from './context.ts'
import { createGraphqlHandler } from './handler.ts'
import { authenticate, fakeServices } from './testing.ts'

const ACCEPTS = [undefined, '*/*', 'application/json', 'application/graphql-response+json, application/json;q=0.9']
/** With a charset yoga answers itself, in the same media type. */
const byYoga = (accept = '*/*'): string =>
  accept === '*/*' ? '*/*;charset=utf-8' : accept.replaceAll(/json(?=,|;|$)/g, 'json;charset=utf-8')

const COMPARED = ['content-type', 'vary', 'allow']

/** GraphQL on a port, asked in the direct ways and by yoga. */
export const serveOverHttp = async (services: GraphqlServices) => {
  const handler = createGraphqlHandler({ services, authenticate, log: { error: () => {} } })
  const server = createServer(async (request: IncomingMessage, response) => {
    try {
      await handler.handleGraphql(request, response, await readGraphqlBody(request))
    } catch (error) {
      response.writeHead(400).end(error instanceof MillraceError ? `${error.code} ${error.message}` : String(error))
    }
  })
  server.on('upgrade', handler.handleUpgrade)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`

  const post = async (body: string, key: string, accept: string | undefined, extra: Record<string, string> = {}) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...extra }
    const response = await fetch(url, { method: 'POST', body, headers: accept ? { ...headers, accept } : headers })
    const told = [...response.headers].filter(([name]) => COMPARED.includes(name) || name.startsWith('access-control'))
    // An unforeseen error has an id of its own.
    const text = (await response.text()).replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    return { status: response.status, headers: Object.fromEntries(told), text }
  }

  return {
    url,
    post,
    /** Expects the same answers from the direct ways as from yoga, in every form. */
    async sameAnswers(body: string, key = 'admin', extra: Record<string, string> = {}): Promise<void> {
      for (const accept of ACCEPTS) {
        const direct = await post(body, key, accept, extra)
        expect({ accept, ...direct }).toEqual({ accept, ...(await post(body, key, byYoga(accept), extra)) })
      }
    },
    async close(): Promise<void> {
      await handler.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The same of services whose first checkpoint has these rows. */
export const serveRows = async (rows: ReturnType<typeof row>[]) => {
  const fakes = await fakeServices()
  const site = await serveOverHttp(fakes.services)
  fakes.checkpoints.commit(0, rows)
  const close = async (): Promise<void> => {
    await site.close()
    await fakes.close()
  }
  return { ...fakes, ...site, close }
}

/** Requests of which something was cut out or changed. */
export const damagedText = (bodies: readonly string[]): fc.Arbitrary<string> => {
  const piece = fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', 'null', '1', '$', '\\', ' ', '\\ud800', 'ä')
  return fc
    .record({ body: fc.constantFrom(...bodies), at: fc.nat(400), length: fc.nat(6), piece })
    .map(({ body, at, length, piece }) => {
      const start = at % body.length
      return body.slice(0, start) + piece + body.slice(start + length)
    })
}
