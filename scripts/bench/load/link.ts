import type { LoadReceipt } from './receipt.ts'

/** A connection that has at most one request under way. */
export interface Link {
  /** Of its request. */
  buffer: Buffer
  /**
   * Sends the first `length` bytes of the buffer, which stays untouched until `answered` is called: with what came, or
   * null when the connection ended or stayed silent.
   */
  send(length: number, events: number, answered: (receipt: LoadReceipt | null) => void): void
  /** Whether something can be sent now. */
  isOpen(): boolean
  close(): void
}

export interface LinkOptions {
  /** Size of its buffer. */
  longest: number
  /** Silence after which a request counts as not answered. */
  silenceMs: number
  /** Told when it can be used, at first and after it was lost. */
  onOpen(link: Link): void
}
