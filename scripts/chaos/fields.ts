import type { Sent, Value } from './book.ts'
import type { Definition } from './definitions.ts'

/** An event that counted, as its sender knows it, and where it stands in the log. */
export interface CountedEvent extends Pick<Sent, 'id' | 'source' | 'key' | 'name' | 'user' | 'properties'> {
  timeMs: number
  partition: number
  sequence: number
}

/** Reads a field of an event, or of what stands for one. */
export type Read<T> = (one: T) => Value | undefined

/** All clients are on this machine, which lies in no country. */
export const readerOf = (field: string): Read<CountedEvent> => {
  if (field === 'name') return ({ name }) => name
  if (field === 'userId') return ({ user }) => user
  if (field === 'country') return () => null
  const [, property] = /^properties\.(\w+)$/.exec(field) ?? []
  if (!property) throw new Error(`the model does not know the field ${field}`)
  return ({ properties }) => properties[property]
}

/** Whether an event is one of a metric's own. */
export const matcherOf = ({ event, where = [] }: Definition): ((one: CountedEvent) => boolean) => {
  const tests = where.map(({ field, value }) => {
    const read = readerOf(field)
    return (one: CountedEvent): boolean => read(one) === value
  })
  return (one) => (event === '*' || one.name === event) && tests.every((test) => test(one))
}

/** As it stands among dimensions. */
export const textOf = (value: Value | undefined): string | null =>
  value === undefined || value === null ? null : String(value)
