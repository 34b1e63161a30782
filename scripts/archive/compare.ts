import type { createCopies } from '#infra/archive/copies.ts'
import type { Duck } from '#infra/archive/duck.ts'
import { columnNames, parquetOf } from '#infra/archive/parquet.ts'
import { quote } from '#infra/duckdb/open.ts'
import { frameRows, groupKey } from '#processors/archive/frame-rows.ts'
import type { ArchiveFiles, ChunkRows, EncodedFile, SettledFeed } from '#processors/ports.ts'
import { readSettled } from '#processors/storage/frames.ts'
import { ARCHIVE_OUTCOMES, type ArchiveGroup, type ArchiveOutcome } from '#schema/archive.ts'
import type { Settlement } from '#schema/checkpoint.ts'
import type { Named } from './inventory.ts'

interface CompareDeps {
  duck: Duck
  files: ArchiveFiles
  copies: ReturnType<typeof createCopies>
  feed: Pick<SettledFeed, 'frames'>
  /** Of this deployment. */
  named: readonly Named[]
  deployment: string
  partition: number
}

/** What a comparison has found, in lines. */
export interface Compared {
  checked: number
  missing: number
  wrong: number
  findings: string[]
}

const FEW = 3

/**
 * Settled messages of one partition as the archive should have them, compared with what it has. They become files in the
 * same way, so every column is compared.
 */
export const createWindow = (deps: CompareDeps) => {
  const { duck, files, copies, feed, named, deployment, partition } = deps
  const groups = new Map<string, ArchiveGroup>()
  let rows: ChunkRows | null = null
  let [from, to] = [Number.POSITIVE_INFINITY, 0]
  let [bytes, checked] = [0, 0]

  const compareOutcome = async (
    outcome: ArchiveOutcome,
    expected: readonly EncodedFile[],
  ): Promise<Omit<Compared, 'checked'>> => {
    const names = named
      .filter(({ manifest, file }) => {
        const isNear = file.ranges.some(
          (range) => range.partition === partition && range.from <= to && range.to >= from,
        )
        return isNear && manifest.outcome === outcome
      })
      .map(({ file }) => file.name)
    if (names.length + expected.length === 0) return { missing: 0, wrong: 0, findings: [] }
    const columns = columnNames(outcome)
    const paths = await copies.of(names)
    const wanted = expected.map(({ body }) => (body as { path: string }).path)
    const any = parquetOf([...paths, ...wanted].slice(0, 1))
    const table = (own: readonly string[], where: string) =>
      own.length === 0
        ? `(SELECT ${columns} FROM ${any} WHERE false)`
        : `(SELECT ${columns} FROM ${parquetOf(own)} WHERE ${where})`
    await duck.run(
      `CREATE OR REPLACE TEMP VIEW actual AS FROM ${table(
        paths,
        `"partition" = ${partition} AND sequence BETWEEN ${from} AND ${to}`,
      )}`,
    )
    await duck.run(`CREATE OR REPLACE TEMP VIEW expected AS FROM ${table(wanted, 'true')}`)
    await duck.run('CREATE OR REPLACE TEMP TABLE lacking AS FROM expected EXCEPT ALL FROM actual')
    const place = '"partition", sequence, "index"'
    const own = `(SELECT ${place} FROM places WHERE deployment = ${quote(deployment)})`
    const listed = async (what: string, sql: string) => {
      const [[count]] = await duck.rows(`SELECT count(*)::DOUBLE FROM (${sql})`)
      const few = await duck.rows(`SELECT sequence::DOUBLE, "index" FROM (${sql}) ORDER BY 1, 2 LIMIT ${FEW}`)
      const findings = few.map(
        ([sequence, index]) => `${what} ${outcome}: partition ${partition}, message ${sequence}, line ${index}`,
      )
      return { count: count as number, findings }
    }
    const missing = await listed('missing from', `SELECT ${place} FROM lacking ANTI JOIN ${own} known USING (${place})`)
    const other = await listed(
      'not as in the log in',
      `SELECT ${place} FROM lacking SEMI JOIN ${own} known USING (${place})`,
    )
    const extra = await listed(
      'does not belong into',
      `SELECT ${place} FROM actual ANTI JOIN expected USING (${place})`,
    )
    return {
      missing: missing.count,
      wrong: other.count + extra.count,
      findings: [...missing.findings, ...other.findings, ...extra.findings],
    }
  }

  return {
    bytes: () => bytes,
    /** Nothing of it is compared where the log has lost some. */
    async add(settlement: Settlement): Promise<void> {
      if (Object.keys(settlement.totals).length === 0) return
      const { messages } = await readSettled(feed, settlement)
      rows ??= await files.chunk()
      for (const message of messages) {
        from = Math.min(from, message.sequence)
        to = Math.max(to, message.sequence)
        for (const part of frameRows(settlement, message)) {
          bytes += part.bytes
          checked += part.count
          if (part.count === 0) continue
          groups.set(groupKey(part.group), part.group)
          await rows.add(part)
        }
      }
    },
    async compare(): Promise<Compared> {
      const total: Compared = { checked, missing: 0, wrong: 0, findings: [] }
      if (!rows) return total
      const encoded = new Map<ArchiveOutcome, EncodedFile[]>(ARCHIVE_OUTCOMES.map((outcome) => [outcome, []]))
      try {
        for (const group of groups.values()) encoded.get(group.outcome)?.push(await rows.encode(group))
        for (const [outcome, expected] of encoded) {
          const { missing, wrong, findings } = await compareOutcome(outcome, expected)
          total.missing += missing
          total.wrong += wrong
          total.findings.push(...findings)
        }
      } finally {
        for (const file of [...encoded.values()].flat()) await file.discard()
        await rows.discard()
      }
      return total
    },
  }
}
