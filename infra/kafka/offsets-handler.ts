import type { Catalog } from './catalog.ts'
import { ERROR } from './codes.ts'
import { EARLIEST, LATEST, type OffsetAnswer, type OffsetQuestion } from './list-offsets.ts'
import type { TopicPartition } from './topic-partition.ts'
import type { User } from './users.ts'

const NOWHERE = { timestamp: -1, offset: -1 }

const placeOf = async (part: TopicPartition, timestamp: number): Promise<{ timestamp: number; offset: number }> => {
  if (timestamp === LATEST) return { timestamp: -1, offset: part.end() }
  if (timestamp === EARLIEST) return { timestamp: -1, offset: await part.earliest() }
  return (await part.byTime(timestamp)) ?? NOWHERE
}

/** One after the other: a client that names a partition a thousand times must not ask a thousand times at once. */
export const answerOffsets = async (
  catalog: Catalog,
  user: User | null,
  questions: readonly OffsetQuestion[],
): Promise<OffsetAnswer[]> => {
  const answer = async (topic: string, partition: number, timestamp: number) => {
    const part = catalog.find(user, topic, partition)
    if (typeof part === 'number') return { partition, error: part, ...NOWHERE }
    try {
      return { partition, error: ERROR.none, ...(await placeOf(part, timestamp)) }
    } catch (error) {
      return { partition, error: catalog.failed(error, topic, partition), ...NOWHERE }
    }
  }
  const answers: OffsetAnswer[] = []
  for (const { topic, partitions } of questions) {
    const places: OffsetAnswer['partitions'] = []
    for (const { partition, timestamp } of partitions) places.push(await answer(topic, partition, timestamp))
    answers.push({ topic, partitions: places })
  }
  return answers
}
