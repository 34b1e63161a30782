import { loadavg } from 'node:os'
import { machine } from '../machine.ts'
import type { Plain } from '../plain/plain.ts'
import type { Census } from './census.ts'
import { figuresOf, type TrialFigures } from './figures.ts'
import { whyNot } from './holds.ts'
import type { Trial } from './trial.ts'

/** What a run on a product of its own comes to: the JSON line. */
export interface Result extends TrialFigures {
  /** Of the product: all processes but generator and observer. */
  cpuMicrosOfAll: number
  ledgerBalanced: boolean
  lost: number
  duplicated: number
  stores: { olap: Census; archive: Census; windows: Windows }
  /** What keeps the rate from holding; empty where nothing does. */
  whyNot: string[]
  plain: Plain | null
  /** Events a CPU second of all processes, over those of the plain way; null where that was not measured. */
  ratioToPlain: number | null
  /** Events a second, over the most that the plain way took. */
  rateToPlain: number | null
  machine: ReturnType<typeof machine>
  loadAverage: number
}

/** Events that the metric of all events has in its windows, and rows of raw events. */
export interface Windows {
  inWindows: number
  inRows: number
}

const OURS = new Set(['gateway', 'nats-server', 'processor', 'storage', 'supervisor'])

const digits = (value: number, places: number): number => Number(value.toFixed(places))

/**
 * The ledger agrees with itself and with what clients were told. What had no answer, or one that says try again, may be
 * in the log all the same.
 */
const isBalanced = ({ books, accepted, unanswered, refused, markers }: TrialFigures): boolean => {
  if (!books?.balanced) return false
  const told = accepted + markers.acknowledged
  const unsure = unanswered + markers.refused + Object.values(refused).reduce((sum, events) => sum + events, 0)
  return books.accepted >= told && books.accepted <= told + unsure
}

const compare = (figures: TrialFigures, ofAll: number, plain: Plain | null) => {
  // It took nothing in its time: there is nothing to compare with.
  if (!plain?.acceptedPerSecond) return { plain, ratioToPlain: null, rateToPlain: null }
  const ofPlain = plain.cpuMicrosPerEvent.resolver + plain.cpuMicrosPerEvent['nats-server']
  return {
    plain,
    ratioToPlain: ofAll > 0 ? digits(ofPlain / ofAll, 1) : null,
    rateToPlain: digits(figures.acceptedPerSecond / plain.acceptedPerSecond, 1),
  }
}

interface Found {
  trial: Trial
  olap: Census
  archive: Census
  windows: Windows
  plain: Plain | null
}

export const resultOf = ({ trial, olap, archive, windows, plain }: Found): Result => {
  const figures = figuresOf(trial)
  const ours = Object.entries(figures.cpuMicrosPerEvent).filter(([kind]) => OURS.has(kind))
  const ofAll = ours.reduce((sum, [, micros]) => sum + micros, 0)
  const difference = windows.inWindows - windows.inRows
  return {
    ...figures,
    cpuMicrosOfAll: digits(ofAll, 2),
    ledgerBalanced: isBalanced(figures),
    lost: olap.lost + archive.lost + Math.max(0, -difference),
    duplicated: olap.duplicated + archive.duplicated + Math.max(0, difference),
    stores: { olap, archive, windows },
    whyNot: whyNot(figures),
    ...compare(figures, ofAll, plain),
    machine: machine(),
    loadAverage: digits(loadavg()[0], 1),
  }
}
