import { ERROR, type ErrorCode } from './codes.ts'
import type { PartitionFeed } from './partition-feed.ts'
import { StreamRemade } from './stream-guard.ts'
import type { TopicPartition } from './topic-partition.ts'
import type { User } from './users.ts'

/** Of one partition: what goes on does not fill the log. */
const REPORT_EVERY_MS = 10_000

interface Logger {
  warn(fields: object, message: string): void
}

/** Topics and partitions as a user may see them. `user` null: there are no users, everybody sees all. */
export interface Catalog {
  names(user: User | null): string[]
  partitions: number
  /** Why a user cannot read a topic at all; 0 where he can. */
  access(user: User | null, topic: string): ErrorCode
  find(user: User | null, topic: string, partition: number): TopicPartition | ErrorCode
  /** What a reader is told of a failure; notes it. */
  failed(error: unknown, topic: string, partition: number): ErrorCode
}

export const createCatalog = (names: readonly string[], feeds: readonly PartitionFeed[], logger: Logger): Catalog => {
  const reportedAt = new Map<string, number>()
  const access = (user: User | null, topic: string): ErrorCode => {
    if (user && !user.topics.includes(topic)) return ERROR.topicAuthorizationFailed
    return names.includes(topic) ? ERROR.none : ERROR.unknownTopicOrPartition
  }
  const failed = (error: unknown, topic: string, partition: number): ErrorCode => {
    const key = `${topic}-${partition}`
    const now = performance.now()
    if (now - (reportedAt.get(key) ?? Number.NEGATIVE_INFINITY) > REPORT_EVERY_MS) {
      reportedAt.set(key, now)
      logger.warn({ topic, partition, err: error }, 'a partition cannot be read')
    }
    return error instanceof StreamRemade ? ERROR.corruptMessage : ERROR.notLeader
  }
  return {
    names: (user) => names.filter((name) => access(user, name) === ERROR.none),
    partitions: feeds.length,
    access,
    failed,
    find(user, topic, partition) {
      const error = access(user, topic)
      if (error !== ERROR.none) return error
      const feed = feeds.at(partition)
      if (partition < 0 || !feed) return ERROR.unknownTopicOrPartition
      try {
        return feed.topic(topic) ?? ERROR.notLeader
      } catch (remade) {
        return failed(remade, topic, partition)
      }
    },
  }
}
