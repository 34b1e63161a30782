import type { createCopies } from '#infra/archive/copies.ts'
import type { Duck } from '#infra/archive/duck.ts'
import { readManifests } from '#infra/archive/manifests.ts'
import { parquetOf } from '#infra/archive/parquet.ts'
import { quote } from '#infra/duckdb/open.ts'
import type { ObjectStore } from '#processors/ports.ts'
import { ARCHIVE_OUTCOMES, type ArchiveFile, type ArchiveManifest } from '#schema/archive.ts'

/** A file, and the manifest that speaks of it. */
export interface Named {
  manifest: ArchiveManifest
  file: ArchiveFile
}

interface Inventory {
  named: Named[]
  /** Files that are there and that no manifest speaks of. */
  strays: string[]
  duplicates: number
}

/** What manifests say, and which files there are beside. */
export const takeInventory = async (store: ObjectStore): Promise<Inventory> => {
  const named: Named[] = []
  const spokenOf = new Set<string>()
  let duplicates = 0
  for await (const manifest of readManifests(store)) {
    duplicates += manifest.duplicates
    named.push(...manifest.files.map((file) => ({ manifest, file })))
    for (const { name } of [...manifest.files, ...manifest.replaced]) spokenOf.add(name)
    if (manifest.merge) spokenOf.add(manifest.merge.name)
  }
  const strays: string[] = []
  for (const outcome of ARCHIVE_OUTCOMES) {
    for await (const { name } of store.list(`${outcome}/`)) if (!spokenOf.has(name)) strays.push(name)
  }
  return { named, strays, duplicates }
}

/** Places of all rows of all files: in which of them an event stands. */
export const PLACES = `CREATE OR REPLACE TABLE places (
  deployment VARCHAR NOT NULL, "partition" INTEGER NOT NULL, sequence BIGINT NOT NULL, "index" INTEGER NOT NULL)`

interface CheckDeps {
  store: ObjectStore
  duck: Duck
  copies: ReturnType<typeof createCopies>
}

/** Compares one file with its manifest, and notes the places of its rows. What is wrong with it, in words; what cannot be read holds nothing. */
export const checkFile = async (
  { store, duck, copies }: CheckDeps,
  { manifest, file }: Named,
): Promise<{ isReadable: boolean; problem: string | null }> => {
  const { name, rows, bytes, crc32c, ranges, deployment } = file
  const info = await store.info(name)
  if (!info) return { isReadable: false, problem: `${name} is not there` }
  const told = (problem: string | null, isReadable = true) => ({ isReadable, problem })
  const sum = await store.checksum(name)
  if (info.bytes !== bytes || sum !== crc32c) {
    return told(`${name} has ${info.bytes} bytes with checksum ${sum}; its manifest says ${bytes} and ${crc32c}`, false)
  }
  const [path] = await copies.of([name])
  const day = manifest.outcome === 'invalid' ? 'received_at' : '"time"'
  const inRange = ranges.map(
    ({ partition, from, to }) => `("partition" = ${partition} AND sequence BETWEEN ${from} AND ${to})`,
  )
  const [[found, misplaced]] = await duck.rows(`SELECT count(*)::DOUBLE, count(*) FILTER (WHERE
      tenant <> ${quote(manifest.tenant)} OR strftime(${day}, '%Y-%m-%d') <> ${quote(manifest.date)}
      OR NOT (${inRange.join(' OR ')}))::DOUBLE
    FROM ${parquetOf([path])}`)
  await duck.run(
    `INSERT INTO places SELECT ${quote(deployment)}, "partition", sequence, "index" FROM ${parquetOf([path])}`,
  )
  if (found !== rows) return told(`${name} has ${found} rows; its manifest says ${rows}`)
  return told(misplaced === 0 ? null : `${name} has ${misplaced} rows of another tenant, day or place in the log`)
}

/** How many rows are too many, because an event stands in more than one place. */
export const countDuplicated = async (duck: Duck): Promise<number> => {
  const [[count]] = await duck.rows(`SELECT coalesce(sum(copies - 1), 0)::DOUBLE FROM (
    SELECT count(*) AS copies FROM places
    GROUP BY deployment, "partition", sequence, "index" HAVING count(*) > 1)`)
  return count as number
}
