import { NewerFormat, type ObjectStore } from '#processors/ports.ts'
import { ARCHIVE_FORMAT, type ArchiveManifest, groupOfManifest, MANIFESTS } from '#schema/archive.ts'

const decoder = new TextDecoder()

/** All manifests whose names begin so, by name. */
export async function* readManifests(store: ObjectStore, prefix: string = MANIFESTS): AsyncGenerator<ArchiveManifest> {
  for await (const { name } of store.list(prefix)) {
    const found = groupOfManifest(name) && (await store.get(name))
    if (!found) continue
    const manifest = JSON.parse(decoder.decode(found.data)) as ArchiveManifest
    if (manifest.format > ARCHIVE_FORMAT) {
      throw new NewerFormat(`${name} has format ${manifest.format}; this version reads up to ${ARCHIVE_FORMAT}`)
    }
    yield manifest
  }
}
