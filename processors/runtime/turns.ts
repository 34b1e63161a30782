/** Things that are done one after the other, so that memory and time go to one at a time. */
export const createTurns = () => {
  let last: Promise<void> = Promise.resolve()
  return {
    /** Resolves when it is one's turn, with what ends it. */
    async take(): Promise<() => void> {
      const before = last
      const { promise, resolve } = Promise.withResolvers<void>()
      last = promise
      await before
      return resolve
    },
  }
}

export type Turns = ReturnType<typeof createTurns>
