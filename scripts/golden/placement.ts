import { partitionOf } from '#schema/hash.ts'

/** Mark of what was put behind a key so that the hash gives the partition that the case wants. */
const SUFFIX = /~\d+/g
/** Text with the keys as the case has them. */
export const withCaseKeys = (text: string): string => text.replace(SUFFIX, '')

/**
 * Finds keys that the real hash places where the case wants them: each in a partition of its own, in order of appearance,
 * or all in the first.
 */
export const createPlacement = (spread: boolean, partitions: number) => {
  const placed = new Map<string, { key: string; partition: number }>()
  return (tenant: string, key: string) => {
    const known = placed.get(`${tenant} ${key}`)
    if (known) return known
    const wanted = spread ? placed.size % partitions : 0
    let text = key
    for (let n = 1; partitionOf(tenant, text, partitions) !== wanted; n++) text = `${key}~${n}`
    const place = { key: text, partition: wanted }
    placed.set(`${tenant} ${key}`, place)
    return place
  }
}
