import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** A door before the collector, on a port of its own. */
export interface Gate extends AsyncDisposable {
  url: string
  /** Requests that were taken and whose senders were not told: what a gateway leaves that dies after the ack. */
  lost(): number
}

/**
 * Passes requests on to the collector. `onRequest` is told the number of each, from 1, and holds it until it resolves;
 * the answer gets lost when it resolves with true. A request whose answer does not come loses its connection, as it would
 * without the door.
 */
export const openGate = async (collector: string, onRequest: (number: number) => Promise<boolean>): Promise<Gate> => {
  let requests = 0
  let lost = 0
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    const isLost = await onRequest(++requests)
    const { authorization = '', 'content-type': type = '' } = request.headers
    const answer = await fetch(new URL(request.url ?? '/', collector), {
      method: 'POST',
      headers: { authorization, 'content-type': type },
      body,
    })
    if (isLost) {
      if (answer.ok) lost++
      request.socket.destroy()
    } else response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
  }
  const server = createServer((request, response) => {
    pass(request, response).catch(() => request.socket.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/events`,
    lost: () => lost,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
