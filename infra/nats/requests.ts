import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { type Deadline, Deadlines } from './deadlines.ts'

/** How often it is looked whose time is over; an answer that does not come is found missing so much later. */
const LOOK_MS = 50
/** Status of a reply that the server itself gives: nobody listens. */
const NO_RESPONDERS = 503

interface Waiting {
  subject: string
  deadline: Deadline
  resolve: (data: Uint8Array) => void
  reject: (error: Error) => void
}

export type Request = (subject: string, data: Uint8Array, headers: MsgHdrs, timeoutMs: number) => Promise<Uint8Array>

/**
 * Requests over one subscription. The connection's own ones each make a timer, a race of promises, and, of those that
 * are answered too, an error with its stack, which together cost several times what a small frame does. Rejects when
 * no answer came in time, nobody listens, or the connection has ended.
 */
export const createRequests = (nc: NatsConnection): Request => {
  const waiting = new Map<string, Waiting>()
  const deadlines = new Deadlines(LOOK_MS)
  let inbox: string | undefined
  let number = 0

  const take = (token: string): Waiting | undefined => {
    const request = waiting.get(token)
    if (!request) return undefined
    waiting.delete(token)
    deadlines.delete(request.deadline)
    return request
  }

  const rejectAll = (error: Error): void => {
    for (const token of [...waiting.keys()]) take(token)?.reject(error)
  }

  const onReply = (error: Error | null, message: Msg): void => {
    if (error) {
      // The subscription itself has failed: no answer comes, and the next request makes another one.
      inbox = undefined
      rejectAll(error)
      return
    }
    const request = take(message.subject.slice(message.subject.lastIndexOf('.') + 1))
    if (message.data.length === 0 && message.headers?.code === NO_RESPONDERS)
      request?.reject(new Error(`nobody answers at ${request.subject}`))
    else request?.resolve(message.data)
  }

  /** With the first request. */
  const listen = (): string => {
    const made = `${createInbox()}.`
    nc.subscribe(`${made}*`, { callback: onReply })
    void nc.closed().then(() => rejectAll(new Error('the connection has ended')))
    return made
  }

  return (subject, data, headers, timeoutMs) => {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
    try {
      inbox ??= listen()
      const token = String(number++)
      nc.publish(subject, data, { headers, reply: `${inbox}${token}` })
      const deadline = deadlines.add(timeoutMs, () => {
        take(token)?.reject(new Error(`no answer came in time from ${subject}`))
      })
      waiting.set(token, { subject, deadline, resolve, reject })
    } catch (error) {
      reject(error as Error)
    }
    return promise
  }
}
