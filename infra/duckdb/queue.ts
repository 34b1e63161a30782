/** Runs one after the other, whatever became of the one before. */
export type Queue = <T>(body: () => Promise<T>) => Promise<T>

export const createQueue = (): Queue => {
  let last: Promise<unknown> = Promise.resolve()
  return (body) => {
    const result = last.then(body)
    last = result.catch(() => undefined)
    return result
  }
}
