import type { Broker, StreamRange } from '#infra/nats/broker.ts'

/** A stream was made anew: its sequences are other messages' now, and offsets of before mean nothing. */
export class StreamRemade extends Error {
  constructor(stream: string) {
    super(`stream ${stream} was made anew: offsets of before lead elsewhere`)
    this.name = 'StreamRemade'
  }
}

export interface StreamGuard {
  /**
   * Asks the leader. Whoever asks after he has read knows that what he read was of the stream that the guard saw first;
   * throws StreamRemade for ever when it was not sure to be.
   */
  check(): Promise<StreamRange>
  /** When the stream was made; undefined before the first check. */
  made(): string | undefined
  isRemade(): boolean
}

export const createStreamGuard = (broker: Broker, stream: string): StreamGuard => {
  let made: string | undefined
  let remade = false
  return {
    async check() {
      const range = await broker.range(stream)
      made ??= range.made
      // One that was purged and whose sequences began anew says so by its time; one that was emptied goes on counting.
      if (range.made !== made) remade = true
      if (remade) throw new StreamRemade(stream)
      return range
    },
    made: () => made,
    isRemade: () => remade,
  }
}
