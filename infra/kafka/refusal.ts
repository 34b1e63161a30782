export type RefusalReason =
  | 'connections'
  | 'memory'
  | 'malformed'
  | 'version'
  | 'authentication'
  | 'authorization'
  | 'produce'
  | 'group'
  | 'slow'

/** Ends a connection without an answer. */
export class Refusal extends Error {
  readonly reason: RefusalReason
  constructor(reason: RefusalReason, message: string) {
    super(message)
    this.name = 'Refusal'
    this.reason = reason
  }
}

/** What a client sent cannot be read: nobody knows where its next request begins. */
export class Malformed extends Refusal {
  constructor(message: string) {
    super('malformed', message)
  }
}
