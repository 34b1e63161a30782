import type { FrameTicket } from './open-frames.ts'
import type { EventProblem } from './verdict.ts'

/** What became of one event before the log answered. */
export type Placed = { id: string; ticket: FrameTicket } | { id: string; problem: EventProblem }

/** What became of a request's events before the log answered: each is in a frame, or refused. */
export class Admitted {
  readonly problems = new Map<number, EventProblem>()
  private readonly tickets: (FrameTicket | undefined)[] = []
  private readonly ids: (string | undefined)[] = []
  private readonly idOfPlain: (index: number) => string

  /** `idOfPlain`: of those whose id is not told; most receipts name none. */
  constructor(idOfPlain: (index: number) => string) {
    this.idOfPlain = idOfPlain
  }

  get length(): number {
    return this.tickets.length
  }

  /** What became of the next event. */
  add(placed: Placed): void {
    if ('ticket' in placed) this.take(placed.ticket, placed.id)
    else this.refuse(placed.problem, placed.id)
  }

  /** The next event is in a frame. */
  take(ticket: FrameTicket, id?: string): void {
    this.tickets.push(ticket)
    this.ids.push(id)
  }

  /** The next event is refused. */
  refuse(problem: EventProblem, id?: string): void {
    this.problems.set(this.tickets.length, problem)
    this.tickets.push(undefined)
    this.ids.push(id)
  }

  /** Empty when the event had none that could be read. */
  id(index: number): string {
    return this.ids[index] ?? this.idOfPlain(index)
  }

  /** Waits for all frames; what is in one that was not confirmed is refused with `away`. */
  async settle(away: EventProblem): Promise<void> {
    const failed = new Set<FrameTicket | undefined>()
    for (const ticket of new Set(this.tickets)) {
      if (ticket && !(await ticket.outcome).acknowledged) failed.add(ticket)
    }
    if (failed.size === 0) return
    for (const [index, ticket] of this.tickets.entries()) {
      if (ticket && failed.has(ticket)) this.problems.set(index, away)
    }
  }
}
