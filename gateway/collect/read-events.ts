import { parseBody } from './parse.ts'
import { type PlainEvents, readPlain } from './plain/events.ts'
import type { EventProblem } from './verdict.ts'

/** Events of a request, not validated yet. */
export interface SentEvents {
  /** As they stand in its body, or one value each. */
  events: PlainEvents | readonly unknown[]
  /** By index: what is wrong with the text of an event whose value is not there. */
  problems?: ReadonlyMap<number, EventProblem>
}

/** Reads a collector body: see parseBody for its forms and for what is thrown. */
export const readEvents = (body: Buffer): SentEvents => {
  const events = readPlain(body)
  return events ? { events } : parseBody(body)
}
