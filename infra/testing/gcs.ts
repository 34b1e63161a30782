import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcpServer } from 'node:net'
import { findGcsServer, startGcsServer } from './gcs-server.ts'

/** What happens to a request instead of its answer. */
export type GcsFault =
  /** The server is not asked. */
  | { kind: 'status'; status: number }
  /** The connection is cut once so many bytes of the request have come; the server is not asked. */
  | { kind: 'cut'; afterBytes: number }
  /** The server does it, and the connection is cut before the answer. */
  | { kind: 'lost' }
  /** Nothing at all happens until the client goes. */
  | { kind: 'silent' }

/** Asked before each request; undefined lets it pass. */
export type GcsWeather = (request: { method: string; url: string }) => GcsFault | undefined

/** A server of the protocol of Google Cloud Storage with one bucket, behind a proxy that can be told to fail. */
interface TestGcs extends AsyncDisposable {
  /** As --archive-endpoint wants it. */
  readonly endpoint: string
  readonly bucket: string
  weather: GcsWeather
  /** Requests so far that were hit by a fault. */
  faults(): number
  /** Bytes of request bodies so far. */
  received(): number
}

const BUCKET = 'archive-of-tests'

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return (server.address() as AddressInfo).port
}

const freePort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Null where there is no server and no Go to build one: `reason` says how to get it. */
const startTestGcs = async (): Promise<TestGcs | null> => {
  const binary = await findGcsServer(process.env, console.error)
  if (!binary) return null
  let faults = 0
  let received = 0
  let port = 0
  const gcs = { weather: (() => undefined) as GcsWeather }

  const pass = (request: IncomingMessage, response: ServerResponse, isLost: boolean): void => {
    const { method, url, headers } = request
    const onward = httpRequest({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      if (isLost) {
        answer.resume()
        answer.once('end', () => response.destroy())
        return
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }

  const proxy = createServer((request, response) => {
    request.on('data', (piece: Buffer) => {
      received += piece.length
    })
    request.on('error', () => undefined)
    const fault = gcs.weather({ method: request.method ?? '', url: request.url ?? '' })
    if (!fault) return pass(request, response, false)
    faults++
    if (fault.kind === 'lost') return pass(request, response, true)
    if (fault.kind === 'status') {
      request.resume()
      request.once('end', () => response.writeHead(fault.status).end('{}'))
      return
    }
    let bytes = 0
    request.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (fault.kind === 'cut' && bytes >= fault.afterBytes) request.socket.destroy()
    })
    if (fault.kind === 'cut') request.once('end', () => request.socket.destroy())
  })
  const endpoint = `http://127.0.0.1:${await listen(proxy)}`
  port = await freePort()
  const server = await startGcsServer(binary, { port, address: endpoint, bucket: BUCKET })
  return Object.assign(gcs, {
    endpoint,
    bucket: BUCKET,
    faults: () => faults,
    received: () => received,
    async [Symbol.asyncDispose]() {
      proxy.close()
      proxy.closeAllConnections()
      await server[Symbol.asyncDispose]()
    },
  })
}

/** Why these tests are skipped. */
const NO_GCS = 'no Go was found: install it (https://go.dev/dl), and tests build a server for Google Cloud Storage'

/** The server, or null where it may be missing: with CI set it may not. */
export const gcsOrSkip = async (): Promise<TestGcs | null> => {
  const gcs = await startTestGcs()
  if (gcs) return gcs
  if (process.env.CI) throw new Error(NO_GCS)
  console.error(NO_GCS)
  return null
}
