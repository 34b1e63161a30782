import { join } from 'node:path'
import { createCopies } from '#infra/archive/copies.ts'
import type { Duck } from '#infra/archive/duck.ts'
import { createParquetFiles } from '#infra/archive/parquet.ts'
import { readDocument } from '#processors/archive/documents.ts'
import type { ArchiveBook, ObjectStore, SettledFeed } from '#processors/ports.ts'
import { type ArchiveLosses, type ArchivePosition, lossesName } from '#schema/archive.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import { type Compared, createWindow } from './compare.ts'
import { checkFile, countDuplicated, type Named, PLACES, takeInventory } from './inventory.ts'

interface VerifyDeps {
  store: ObjectStore
  feed: SettledFeed
  book: ArchiveBook
  /** The newest checkpoint of a partition. */
  newest(partition: number): Promise<number>
  partitions: number
  /** Short name of the deployment. */
  deployment: string
  duck: Duck
  /** For copies of files and for rows of the log. */
  folder: string
  /** Bytes of the log that are compared at a time. */
  windowBytes?: number
  say(line: string): void
}

/** Numbers of lines where nothing else is said. */
export interface VerifyResult {
  files: number
  rows: number
  /** Of the rows those that counted, were late, were no event. */
  events: number
  late: number
  invalid: number
  bytes: number
  /** Repetitions of events, which are in no file. */
  duplicates: number
  /** Lines of the log that were compared: what it still has of what is archived. */
  checked: number
  /** In no file. */
  missing: number
  /** In more than one place: so many are too many. */
  duplicated: number
  /** In a file, but not as the log has them; or the log says that they do not belong there. */
  wrong: number
  /** Files that are not there, or not as their manifest says. */
  damaged: number
  /** Files that no manifest speaks of: a chunk that is under way, or one to remove. */
  strays: number
  /** Settled and not archived yet. */
  behind: number
  /** Messages that had expired before they were archived. */
  lost: number
  /** What is not in order, in words; a few of each kind. */
  findings: string[]
}

const MOST_FINDINGS = 20
const WINDOW_BYTES = 64_000_000

export const isInOrder = ({ missing, duplicated, wrong, damaged }: VerifyResult): boolean =>
  missing + duplicated + wrong + damaged === 0

const linesOf = ({ totals }: Settlement): number =>
  Object.values(totals).reduce((sum, { C, L, I }) => sum + C + L + I, 0)

const rowsOf = (named: readonly Named[]) => {
  const rows = { rows: 0, events: 0, late: 0, invalid: 0 }
  for (const { manifest, file } of named) {
    rows.rows += file.rows
    rows[manifest.outcome] += file.rows
  }
  return rows
}

const lostIn = async (store: ObjectStore, partitions: number): Promise<number> => {
  let lost = 0
  for (let partition = 0; partition < partitions; partition++) {
    const known = await readDocument<ArchiveLosses>(store, lossesName(partition))
    for (const { from, to } of known?.losses ?? []) lost += to - from + 1
  }
  return lost
}

/**
 * Compares the archive with its manifests, and both with what the log still has: every settled line must be in exactly
 * one file, as the log has it, under the outcome that its settlement gave it.
 */
export const verifyArchive = async (deps: VerifyDeps): Promise<VerifyResult> => {
  const { store, feed, book, partitions, deployment, duck, folder, say, windowBytes = WINDOW_BYTES } = deps
  const files = await createParquetFiles(duck, store, join(folder, 'spool'))
  const copies = createCopies(store, join(folder, 'copies'))
  // Positions before manifests: these have at least what those say.
  const positions: ArchivePosition[] = []
  for (let partition = 0; partition < partitions; partition++) positions.push((await book.read(partition)).position)
  const { named, strays, duplicates } = await takeInventory(store)
  const findings = strays.map((name) => `no manifest speaks of ${name}`)
  const total = { checked: 0, missing: 0, wrong: 0, damaged: 0, behind: 0 }

  await duck.run(PLACES)
  const own: Named[] = []
  for (const [i, one] of named.entries()) {
    const { isReadable, problem } = await checkFile({ store, duck, copies }, one)
    if (isReadable && one.file.deployment === deployment) own.push(one)
    if (problem !== null) {
      total.damaged++
      findings.push(problem)
    }
    if (i % 100 === 99) say(`${i + 1} of ${named.length} files`)
  }
  const note = (compared: Compared): void => {
    total.checked += compared.checked
    total.missing += compared.missing
    total.wrong += compared.wrong
    findings.push(...compared.findings)
  }

  const comparePartition = async (partition: number): Promise<void> => {
    const fresh = () => createWindow({ duck, files, copies, feed, named: own, deployment, partition })
    const newest = await deps.newest(partition)
    if (newest === 0) return
    const leaving = new AbortController()
    let window = fresh()
    for await (const item of feed.read(partition, 0, leaving.signal)) {
      if ('totals' in item && item.checkpoint <= positions[partition].checkpoint) {
        await window.add(item)
        if (window.bytes() >= windowBytes) {
          note(await window.compare())
          window = fresh()
          say(`partition ${partition}: ${total.checked} lines of the log compared`)
        }
      } else if ('totals' in item) total.behind += linesOf(item)
      if (item.checkpoint >= newest) break
    }
    leaving.abort()
    note(await window.compare())
  }
  for (let partition = 0; partition < partitions; partition++) await comparePartition(partition)
  const duplicated = await countDuplicated(duck)
  await copies.discard()
  return {
    files: named.length,
    ...rowsOf(named),
    bytes: named.reduce((sum, { file }) => sum + file.bytes, 0),
    duplicates,
    ...total,
    duplicated,
    strays: strays.length,
    lost: await lostIn(store, partitions),
    findings: findings.slice(0, MOST_FINDINGS),
  }
}
