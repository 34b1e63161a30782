/**
 * An async iterator that makes its next value only when it is asked for one, and that ends at once when its reader
 * leaves, even while a value is awaited (the `return` of an async generator would wait for it). `next` answers
 * undefined at the end; its errors reach the reader and end the iterator.
 */
export const pulled = <T>(
  next: (signal: AbortSignal) => Promise<T | undefined>,
  onEnd: () => void,
): { iterator: AsyncIterableIterator<T>; signal: AbortSignal } => {
  const ended = new AbortController()
  const finish = (): void => {
    if (ended.signal.aborted) return
    ended.abort()
    onEnd()
  }
  const done = { done: true as const, value: undefined }
  const iterator: AsyncIterableIterator<T> = {
    [Symbol.asyncIterator]: () => iterator,
    async next() {
      if (ended.signal.aborted) return done
      try {
        const value = await next(ended.signal)
        if (value !== undefined && !ended.signal.aborted) return { done: false, value }
      } catch (error) {
        const left = ended.signal.aborted
        finish()
        if (!left) throw error
      }
      finish()
      return done
    },
    async return() {
      finish()
      return done
    },
  }
  return { iterator, signal: ended.signal }
}
