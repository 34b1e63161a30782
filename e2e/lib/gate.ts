import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** A door before the collector, on a port of its own. */
export interface Gate extends AsyncDisposable {
  url: string
}

/**
 * Passes requests on to the collector. `onRequest` is told the number of each, from 1, and holds it until it resolves. A
 * request whose answer does not come loses its connection, as it would without the door.
 */
export const openGate = async (collector: string, onRequest: (number: number) => Promise<void>): Promise<Gate> => {
  let requests = 0
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    await onRequest(++requests)
    const { authorization = '', 'content-type': type = '' } = request.headers
    const answer = await fetch(new URL(request.url ?? '/', collector), {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body,
    })
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
  }
  const server = createServer((request, response) => {
    pass(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/events`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
