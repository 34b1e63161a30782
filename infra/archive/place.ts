import type { ObjectStore } from '#processors/ports.ts'
import { openFolder } from './folder.ts'

interface PlaceOptions {
  /** Another address of the API of Google Cloud Storage. */
  endpoint?: string
}

/** The object store that --archive names: gs://bucket/prefix, else a folder. */
export const openPlace = async (place: string, { endpoint }: PlaceOptions = {}): Promise<ObjectStore> => {
  const [, bucket, prefix = ''] = /^gs:\/\/([^/]+)\/?(.*)$/.exec(place) ?? []
  if (bucket === undefined) return openFolder(place)
  // Loaded only by those who need it.
  const { openBucket } = await import('../gcs/objects.ts')
  return openBucket({ bucket, prefix: prefix.replace(/\/+$/, ''), endpoint })
}
