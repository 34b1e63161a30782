/**
 * A small client of the protocol graphql-transport-ws. It connects again by itself, and each subscription then says
 * anew what it wants: `variables` is asked at that moment, so that it can hold the newest cursor.
 */
const FATAL = { 4401: 'The token is not known here.', 4403: 'The token may not do this.' }
const QUIET_MS = 20_000
const PONG_MS = 5_000
const MAX_PAUSE_MS = 10_000

/** @param {{ url: string, token: string, onState: (state: 'connecting' | 'live' | 'refused', why?: string) => void }} options */
export const createSocket = ({ url, token, onState }) => {
  const subscriptions = new Map()
  let socket
  let failures = 0
  let nextId = 1
  let isOpen = false
  let isClosed = false
  let watchdog
  let retry

  const send = (message) => socket.send(JSON.stringify(message))
  const start = (id, { query, variables }) =>
    send({ id, type: 'subscribe', payload: { query, variables: variables() } })

  // A connection can die without a word: after a while without any, ask for one.
  const alive = () => {
    clearTimeout(watchdog)
    watchdog = setTimeout(() => {
      send({ type: 'ping' })
      watchdog = setTimeout(() => socket.close(), PONG_MS)
    }, QUIET_MS)
  }

  const handlers = {
    connection_ack() {
      failures = 0
      isOpen = true
      onState('live')
      for (const [id, subscription] of subscriptions) start(id, subscription)
    },
    ping: () => send({ type: 'pong' }),
    next: ({ id, payload }) => {
      const subscription = subscriptions.get(id)
      if (payload.errors) subscription?.onError(payload.errors[0])
      else subscription?.onData(payload.data)
    },
    error: ({ id, payload }) => subscriptions.get(id)?.onError(payload[0]),
  }

  const connect = () => {
    clearTimeout(retry)
    onState('connecting')
    socket = new WebSocket(url, 'graphql-transport-ws')
    socket.onopen = () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } })
    socket.onmessage = ({ data }) => {
      alive()
      const message = JSON.parse(data)
      handlers[message.type]?.(message)
    }
    socket.onclose = ({ code, reason }) => {
      isOpen = false
      clearTimeout(watchdog)
      if (isClosed) return
      if (FATAL[code]) {
        onState('refused', reason || FATAL[code])
        return
      }
      onState('connecting')
      const pause = Math.min(MAX_PAUSE_MS, 300 * 2 ** failures++) * (0.5 + Math.random() / 2)
      retry = setTimeout(connect, pause)
    }
  }

  addEventListener('online', () => {
    if (!isClosed && socket.readyState > WebSocket.OPEN) connect()
  })
  connect()

  return {
    /** Subscribes now and after every reconnect; answers a function that ends it. */
    subscribe(subscription) {
      const id = String(nextId++)
      subscriptions.set(id, subscription)
      if (isOpen) start(id, subscription)
      return () => {
        if (subscriptions.delete(id) && isOpen) send({ id, type: 'complete' })
      }
    },
    close() {
      isClosed = true
      clearTimeout(retry)
      clearTimeout(watchdog)
      socket.close()
    },
  }
}
