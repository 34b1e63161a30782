import { type DefinitionState, SESSIONS } from '#schema/checkpoint.ts'
import { type EventLine, SESSION_END } from '#schema/event.ts'
import { type MeasureSpec, type MetricDefinition, sessionGaps } from '#schema/metric.ts'
import { addTo, dimsOf, valuesOf } from './lines.ts'
import type { Model, SessionTotal } from './model.ts'
import { createSessionModel, type ModelSession, type SessionModel } from './session-model.ts'

type WatermarkOf = (source: string) => number

/** Of rows that stand for sessions themselves. */
const FIRST = ['country', 'browser', 'os', 'device', 'userId', 'anonymousId']

/** A metric with session windows, or one on the end of sessions, while its definition holds. */
interface Active {
  state: DefinitionState
  models: SessionModel[]
}

const isOfSessions = ({ event }: MetricDefinition): boolean => event === SESSION_END

/** A session as the event that metrics on its end count. */
const endLine = ({ lines, start, end }: ModelSession, gap: number): EventLine => {
  const [first] = lines
  const properties = { seconds: (end - gap - start) / 1_000, events: lines.length }
  return { ...first, time: end, e: { ...first.e, name: SESSION_END, properties } }
}

/** Session windows of one partition. What a definition had counted is told when it is replaced, and at the end. */
export const createSessionWindows = (model: Pick<Model, 'sessions' | 'totals'>) => {
  const active = new Map<string, Active>()
  /** Sessions that metrics on their end share, by gap, and where in the log they began to be followed. */
  const followed = new Map<number, { sessions: SessionModel; since: number }>()

  const tell = (
    head: { metric: string; version: number },
    measure: MeasureSpec,
    sessions: SessionModel,
    rows: Map<string, SessionTotal>,
  ) => {
    const { gap } = sessions
    return ({ source, key: session, start, end }: ModelSession, line: EventLine, dims: (string | null)[]) => {
      const row = { ...head, gap, source, session, start, end, dims }
      const text = JSON.stringify(row)
      const total = rows.get(text) ?? { ...row, events: 0, corrections: 0, values: [], measure }
      rows.set(text, total)
      total.events++
      if (sessions.isCorrection(line)) total.corrections++
      return total
    }
  }

  const tellWindows = ({ state: { definition }, models }: Active): void => {
    const { name: metric, version, measure } = definition
    for (const sessions of models) {
      const rows = new Map<string, SessionTotal>()
      const add = tell({ metric, version }, measure, sessions, rows)
      for (const session of sessions.all()) {
        for (const line of session.lines) {
          const total = add(session, line, dimsOf(definition, line))
          total.values.push(...valuesOf(definition, line))
        }
      }
      model.sessions.push(...rows.values())
    }
  }

  const tellEnds = ({ state }: Active, watermarkOf: WatermarkOf): void => {
    const known = followed.get(state.definition.sessionGapMs ?? 0)
    for (const { session, sequence } of known?.sessions.ended(watermarkOf) ?? []) {
      if (sequence < (state.sequence ?? 0)) continue
      addTo(model.totals, state, endLine(session, known?.sessions.gap ?? 0), Number.NEGATIVE_INFINITY)
    }
  }

  const tellFollowed = (gap: number): void => {
    const { sessions, since } = followed.get(gap)!
    const rows = new Map<string, SessionTotal>()
    const add = tell({ metric: SESSIONS, version: since }, { kind: 'COUNT' }, sessions, rows)
    for (const session of sessions.all()) {
      const dims = dimsOf({ dimensions: FIRST }, session.lines[0])
      for (const line of session.lines) add(session, line, dims).values.push(...Array(line.weight).fill(1))
    }
    model.sessions.push(...rows.values())
  }

  const close = (name: string, watermarkOf: WatermarkOf): void => {
    const known = active.get(name)
    active.delete(name)
    if (!known) return
    if (isOfSessions(known.state.definition)) tellEnds(known, watermarkOf)
    else tellWindows(known)
  }

  const dropUnused = (): void => {
    const wanted = new Set([...active.values()].map(({ state }) => state.definition.sessionGapMs))
    for (const gap of followed.keys()) {
      if (wanted.has(gap)) continue
      tellFollowed(gap)
      followed.delete(gap)
    }
  }

  return {
    define(state: DefinitionState, watermarkOf: WatermarkOf): void {
      const { definition, deleted, sequence = 0 } = state
      close(definition.name, watermarkOf)
      if (!deleted) active.set(definition.name, { state, models: sessionGaps(definition).map(createSessionModel) })
      dropUnused()
      const gap = definition.sessionGapMs
      if (deleted || gap === undefined || followed.has(gap)) return
      followed.set(gap, { sessions: createSessionModel(gap), since: sequence })
    },
    /** An event that counts in these metrics. */
    add(line: EventLine, watermark: number, counts: (definition: MetricDefinition) => boolean): void {
      for (const { state, models } of active.values()) {
        if (counts(state.definition)) for (const sessions of models) sessions.add(line, watermark)
      }
      for (const { sessions } of followed.values()) sessions.add(line, watermark)
    },
    endMessage(sequence: number, watermarkOf: WatermarkOf): void {
      for (const { sessions } of followed.values()) sessions.end(sequence, watermarkOf)
    },
    end(watermarkOf: WatermarkOf): void {
      for (const name of [...active.keys()]) close(name, watermarkOf)
      dropUnused()
    },
  }
}
