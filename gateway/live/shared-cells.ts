import { type CellsOf, createCells } from './cells.ts'
import type { SliceOperation } from './operation.ts'

/** About 300 bytes each. */
const MAX_CELLS = 200_000
/** What an operation weighs that has grouped nothing yet, in cells. */
const OPERATION_CELLS = 20

interface Entry {
  cellsOf: CellsOf
  /** Cells that it has grouped and may still hold. */
  held: number
}

/**
 * Equal operations group a slice once for each of its changes, whoever asks. At most `maxCells` are kept between
 * questions: what was not asked for lately goes first.
 */
export const createSharedCells = (maxCells = MAX_CELLS) => {
  let young = new Map<string, Entry>()
  let old = new Map<string, Entry>()
  let youngCells = 0

  const grown = (key: string, entry: Entry, cells: number): void => {
    entry.held += cells
    if (young.get(key) !== entry) return
    youngCells += cells
    if (youngCells <= maxCells / 2) return
    old = young
    young = new Map()
    youngCells = 0
  }
  const make = (key: string, operation: SliceOperation): Entry => {
    const entry: Entry = { held: 0, cellsOf: createCells(operation, (cells) => grown(key, entry, cells)) }
    return entry
  }

  return {
    of(operation: SliceOperation): CellsOf {
      const key = `${operation.version} ${operation.key}`
      const known = young.get(key)
      if (known) return known.cellsOf
      const entry = old.get(key) ?? make(key, operation)
      old.delete(key)
      young.set(key, entry)
      youngCells += entry.held
      grown(key, entry, entry.held === 0 ? OPERATION_CELLS : 0)
      return entry.cellsOf
    },
    /** Operations that are kept. */
    size: (): number => young.size + old.size,
  }
}

export type SharedCells = ReturnType<typeof createSharedCells>
