import { connect, type Socket } from 'node:net'
import { readHttpAnswer } from './http-response.ts'
import type { Link, LinkOptions } from './link.ts'
import { type LoadReceipt, readReceipt } from './receipt.ts'

const AGAIN_MS = 100

interface Pending {
  events: number
  answered: (receipt: LoadReceipt | null) => void
}

/**
 * A keep-alive connection whose requests are bytes already, headers included: a client in full would cost more than the
 * two microseconds an event that the generator may take. It connects again when it is lost.
 */
export const createHttpLink = (url: string, { longest, silenceMs, onOpen }: LinkOptions): Link => {
  const { hostname, port } = new URL(url)
  const buffer = Buffer.allocUnsafe(longest)
  let socket: Socket
  let pending: Pending | undefined
  let received = ''
  let isOpen = false
  let isClosed = false
  let again: NodeJS.Timeout | undefined

  const answer = (receipt: LoadReceipt | null): void => {
    const waiting = pending
    pending = undefined
    received = ''
    waiting?.answered(receipt)
  }
  const onData = (data: Buffer): void => {
    const text = data.toString('latin1')
    received = received === '' ? text : received + text
    const whole = readHttpAnswer(received)
    if (whole !== null && pending) answer(readReceipt(whole.body, pending.events))
  }
  const onClose = (): void => {
    isOpen = false
    answer(null)
    if (!isClosed) again = setTimeout(open, AGAIN_MS)
  }
  const open = (): void => {
    socket = connect({ host: hostname, port: Number(port), noDelay: true })
    socket.setTimeout(silenceMs, () => pending && socket.destroy())
    socket.on('connect', () => {
      isOpen = true
      onOpen(link)
    })
    socket.on('data', onData)
    socket.on('error', () => {})
    socket.on('close', onClose)
  }
  const link: Link = {
    buffer,
    send(length, events, answered) {
      pending = { events, answered }
      socket.write(buffer.subarray(0, length))
    },
    isOpen: () => isOpen,
    close() {
      isClosed = true
      clearTimeout(again)
      socket.destroy()
    },
  }
  open()
  return link
}
