import { type ArchiveBook, NewerFormat, PositionMoved, type StoredPosition } from '#processors/ports.ts'
import { ARCHIVE_FORMAT, type ArchivePosition, NO_POSITION } from '#schema/archive.ts'
import { BUCKETS } from '#schema/subjects.ts'
import { type Broker, Refused } from './broker.ts'

const keyOf = (partition: number): string => `partition-${partition}`

/** Positions of the archive in a bucket. A replica may answer with an old one: with that nothing can be written. */
export const openArchiveBook = async (broker: Broker): Promise<ArchiveBook> => {
  const bucket = await broker.bucket(BUCKETS.archive)
  return {
    async read(partition): Promise<StoredPosition> {
      const entry = await bucket.get(keyOf(partition))
      if (!entry?.text) return { position: NO_POSITION, revision: entry?.revision ?? 0 }
      const position = JSON.parse(entry.text) as ArchivePosition
      if (position.format > ARCHIVE_FORMAT) {
        throw new NewerFormat(
          `the archive of partition ${partition} was written by a newer Millrace: start that version`,
        )
      }
      return { position, revision: entry.revision }
    },
    async write(partition, position, revision) {
      try {
        const [key, text] = [keyOf(partition), JSON.stringify(position)]
        return revision === 0 ? await bucket.create(key, text) : await bucket.update(key, text, revision)
      } catch (error) {
        if (error instanceof Refused) throw new PositionMoved(partition)
        throw error
      }
    },
  }
}
