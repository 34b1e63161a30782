/**
 * The part of NATS that Millrace rests on, so that a simulated server can stand in its place: see
 * scripts/simulate/server. `broker.contract.ts` says what both must do.
 */
export interface Broker {
  /**
   * Stores one message, or is one of an atomic batch. Resolves with null where the server answers without an
   * acknowledgement (a batch that is open). Rejects with Refused when the server said no, with Unsendable when it was
   * never sent, and with any other error when nobody knows whether it is stored.
   */
  publish(subject: string, data: Uint8Array, headers: Headers, timeoutMs: number): Promise<Ack | null>
  /** Sends without waiting for an answer: the middle of an atomic batch. Throws Unsendable. */
  send(subject: string, data: Uint8Array, headers: Headers): void
  /** Sequences of a stream now, asked of the leader; last is 0 when nothing was ever written. */
  range(stream: string): Promise<StreamRange>
  /** Subjects of a stream that match a filter. */
  subjects(stream: string, filter: string): Promise<string[]>
  /** The last message of a subject (or filter), asked of the leader: a replica may be behind, and this decides. */
  last(stream: string, subject: string): Promise<StoredMessage | null>
  /** The same, faster, from any replica: null may mean that it is behind. */
  lastCopy(stream: string, subject: string): Promise<StoredMessage | null>
  /** The first message of a subject (or filter) at or after `sequence`, asked of the leader. */
  next(stream: string, subject: string, sequence: number): Promise<StoredMessage | null>
  /**
   * Up to `count` messages from `sequence` on; any replica answers, so nothing may mean that it is behind. Throws when
   * the answer breaks off.
   */
  batch(stream: string, sequence: number, count: number, options?: BatchOptions): AsyncIterable<StoredMessage>
  /** Removes the messages of a filter; with `before` only those of lower sequences. */
  purge(stream: string, filter: string, before?: number): Promise<void>
  consume(stream: string, options: ConsumeOptions): Promise<Delivery>
  bucket(name: string): Promise<Bucket>
  /** Core messages: nothing durable hangs on them. */
  notify(subject: string, text: string): void
  listen(subject: string, onText: (text: string) => void): { stop(): void }
  isClosed(): boolean
}

export type Headers = Readonly<Record<string, string>>

export interface Ack {
  seq: number
  /** The stream had a message of this id already: `seq` is that one's. */
  duplicate: boolean
}

export interface StoredMessage {
  subject: string
  seq: number
  /** When the broker stored it, milliseconds since 1970. */
  storedAt: number
  data: Uint8Array
  /** Empty text where there is no such header. */
  header(name: string): string
}

export interface StreamRange {
  first: number
  last: number
  /** Of all messages, as they are stored. */
  bytes: number
  /** When the stream was made, as the server writes it: one that was made anew says another time. */
  made: string
}

export interface BatchOptions {
  /** Only messages of this subject, which may have wildcards. */
  filter?: string
  /** Ends with the message with which it is as much, or more. */
  bytes?: number
}

export interface ConsumeOptions {
  /** First sequence to deliver. */
  start: number
  /** All subjects of the stream when absent. */
  filters?: readonly string[]
  /**
   * A durable consumer of this name, made anew: a former one's position does not count, and whoever still reads it
   * ends or gets a share of what this one is for. Otherwise an ordered consumer of one's own.
   */
  durable?: string
  /** Messages come without their data. */
  headersOnly?: boolean
}

/**
 * Messages in order. It may end at any time, leave out what was delivered to a connection that had just gone, or fall
 * silent after a node died: whoever needs all looks at the sequences.
 */
export interface Delivery extends AsyncIterable<StoredMessage> {
  stop(): void
}

export interface BucketEntry {
  key: string
  /** Null: deleted. */
  text: string | null
  revision: number
  /** When the broker stored it, milliseconds since 1970. */
  storedAt: number
}

/**
 * A KV bucket: see watchBucket for its changes. Writes reject with Refused when the revision is another one, and after
 * `timeoutMs` (5 s) when nobody knows.
 */
export interface Bucket {
  get(key: string): Promise<BucketEntry | null>
  put(key: string, text: string, timeoutMs?: number): Promise<number>
  /** Where there is none, or a deleted one. */
  create(key: string, text: string): Promise<number>
  update(key: string, text: string, revision: number, timeoutMs?: number): Promise<number>
  delete(key: string): Promise<void>
}

/** The server answered no, as against not at all. `code`: its err_code. */
export class Refused extends Error {
  readonly code: number
  constructor(code: number, description: string) {
    super(`${description} (${code})`)
    this.name = 'Refused'
    this.code = code
  }
}

/** A message that no server takes, one above its limit of bytes say: a mistake in the code, which no repetition mends. */
export class Unsendable extends Error {
  override name = 'Unsendable'
}
