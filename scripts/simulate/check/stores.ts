import type { Point } from '#gateway/live/points.ts'
import { type AggregateRow, isSessionRow } from '#schema/checkpoint.ts'
import { type EventLine, SESSION_END } from '#schema/event.ts'
import { mergeState, stateFromJson } from '#schema/measures.ts'
import { sliceSizes, type WindowSpec } from '#schema/metric.ts'
import { identityOf, type Sent } from '../cluster/clients.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { type Dashboard, pointKey } from '../cluster/dashboards.ts'
import { TENANT } from '../cluster/settings.ts'
import type { World } from '../cluster/world.ts'
import { totalKey } from './lines.ts'
import type { Model } from './model.ts'
import { changesOf, headOf } from './outputs.ts'
import { expectedSessions, newestSessions } from './sessions.ts'
import { expectedValue, foundValue, UNKNOWN } from './values.ts'

const identity = ({ source, e }: EventLine): string => identityOf(source, e)
const keyOf = (text: string): string => JSON.parse(text)[2]
const placeOf = ({ partition, sequence, index }: { partition: number; sequence: number; index: number }): string =>
  `${partition}/${sequence}/${index}`

/** Differences of two sets of lines, few of them in words. */
const compare = (
  what: string,
  found: readonly string[],
  expected: readonly string[],
  fail: (what: string) => void,
): void => {
  const [have, want] = [new Map<string, number>(), new Map<string, number>()]
  for (const one of found) have.set(one, (have.get(one) ?? 0) + 1)
  for (const one of expected) want.set(one, (want.get(one) ?? 0) + 1)
  const more = [...have].filter(([one, count]) => count > (want.get(one) ?? 0)).map(([one]) => one)
  const less = [...want].filter(([one, count]) => count > (have.get(one) ?? 0)).map(([one]) => one)
  if (more.length > 0) fail(`${what}: ${more.length} too many, such as ${more.slice(0, 2).join(' ')}`)
  if (less.length > 0) fail(`${what}: ${less.length} missing, such as ${less.slice(0, 2).join(' ')}`)
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Late events that are dead letters: no copy of them counted, and none came before. */
const deadOf = (model: Model): Model['late'] => {
  const seen = new Set(model.counted.map(({ line }) => identity(line)))
  return model.late.filter(({ line }) => !seen.has(identity(line)) && seen.add(identity(line)))
}

const checkEvents = (world: World, model: Model, fail: (what: string) => void): void => {
  const { events, letters, duplicates } = world.disk
  compare('raw events', events.map(placeOf), model.counted.map(placeOf), fail)
  const stored = events.map(({ line }) => identity(line))
  if (new Set(stored).size !== stored.length) fail('an identity is stored twice')
  const dead = deadOf(model)
  compare('dead letters', letters.map(placeOf), dead.map(placeOf), fail)
  const found = duplicates.get(TENANT) ?? 0
  const expected = model.duplicates + model.late.length - dead.length
  if (found !== expected) fail(`${found} duplicates instead of ${expected}`)
}

/** accepted = counted + late + duplicate + invalid, minute by minute, by readers that share nothing but the log. */
const checkBooks = (world: World, model: Model, fail: (what: string) => void): void => {
  const { receivedSlots, settledSlots } = world.disk
  const books = new Map<number, { accepted: number; settled: number }>()
  const page = (minute: number) => {
    const known = books.get(minute) ?? { accepted: 0, settled: 0 }
    books.set(minute, known)
    return known
  }
  for (const { minute, accepted, partition, sequence } of receivedSlots) {
    // A write that was long on its way may stand behind what is settled.
    if (sequence <= (headOf(world, partition)?.sequence ?? 0)) page(minute).accepted += accepted
  }
  for (const { minute, C, D, L, I } of settledSlots) page(minute).settled += C + D + L + I
  for (const [minute, { accepted, settled }] of books) {
    if (accepted !== settled) fail(`minute ${minute}: ${accepted} accepted by the frames, ${settled} settled`)
  }
  const total = sum([...books.values()].map(({ accepted }) => accepted))
  if (total !== model.events) fail(`the frames' headers tell of ${total} events instead of ${model.events}`)
}

const isOfSessions = (model: Model, metric: string): boolean =>
  model.definitions.get(metric)?.definition.event === SESSION_END

/** A window's total as a line. How often a count of sessions was corrected is not told: the model takes nothing back. */
const totalLine = (model: Model, key: string, metric: string, events: number, corrections: number, value: string) =>
  [key, events, isOfSessions(model, metric) ? '' : corrections, value].join(' ')

/** Sums of deltas as lines, as far as a reader can see them. */
const totalsOf = (model: Model, rows: readonly AggregateRow[]): string[] => {
  const sums = new Map<
    string,
    { row: AggregateRow; events: number; corrections: number; state: ReturnType<typeof stateFromJson> }
  >()
  for (const row of rows) {
    const key = totalKey(row)
    const sum = sums.get(key) ?? { row, events: 0, corrections: 0, state: stateFromJson({}) }
    sums.set(key, sum)
    sum.events += row.events
    sum.corrections += row.corrections
    mergeState(sum.state, stateFromJson(row))
  }
  return [...sums].flatMap(([key, { row, events, corrections, state }]) => {
    const { measure, values } = model.totals.get(key) ?? UNKNOWN
    const value = foundValue(measure, state, values)
    // All that was counted there was taken back.
    if (events === 0 && isOfSessions(model, row.metric)) return []
    return totalLine(model, key, row.metric, events, corrections, value)
  })
}

const expectedTotals = (model: Model): string[] =>
  [...model.totals].map(([key, total]) =>
    totalLine(model, key, total.metric, total.events, total.corrections, expectedValue(total.measure, total.values)),
  )

/** Events of the newest version of a metric in all of its windows: one of sliding windows is in several. */
const expectedEvents = (model: Model, metric: string, window: WindowSpec): number => {
  const version = model.definitions.get(metric)?.definition.version
  const isMine = (one: { metric: string; version: number }): boolean => one.metric === metric && one.version === version
  if (window.kind === 'SESSION')
    return sum(model.sessions.filter((one) => isMine(one) && one.gap === window.gapMs).map(({ events }) => events))
  const [slice] = sliceSizes({ windows: [window] })
  const events = sum(
    [...model.totals.values()].filter((one) => isMine(one) && one.size === slice).map((one) => one.events),
  )
  return window.kind === 'TUMBLING' ? events : (events * window.sizeMs) / window.slideMs
}

const shown = ({ windowStart, dimensions, value, events, revision, status }: Point): string =>
  JSON.stringify([windowStart, dimensions, value, events, revision, status])

const checkDashboard = async (
  world: World,
  cluster: Cluster,
  model: Model,
  { request, points }: Dashboard,
  fail: (what: string) => void,
): Promise<void> => {
  const name = JSON.stringify(request)
  for (const gateway of cluster.gateways) {
    const { reader } = await gateway.current().services
    const range = { ...request, from: 0, to: world.server.now() + 100 * 86_400_000, limit: 100_000 }
    const answer = await gateway.current().process.run(() => reader.range(TENANT, range))
    const left = [...points.values()].filter(({ status }) => status !== 'RETRACTED')
    compare(`${name} on ${gateway.name}`, left.map(shown), answer.points.map(shown), fail)
    const events = sum(answer.points.map((point) => point.events))
    const expected = expectedEvents(model, request.metric, request.window)
    if (events !== expected) fail(`${name} on ${gateway.name} tells of ${events} events instead of ${expected}`)
  }
  if (points.size !== new Set([...points.values()].map(pointKey)).size) fail(`${name} has a point twice`)
}

/** Sessions are shed or kept as a whole, at whatever gateway an event came and however often. */
const checkShed = (world: World, model: Model, { shed }: Sent, fail: (what: string) => void): void => {
  const inLog = [...model.counted, ...model.late].map(({ line }) => line)
  const both = inLog.filter((line) => shed.has(identity(line)))
  if (both.length > 0) fail(`${both.length} events were shed and are in the log, such as ${identity(both[0])}`)
  const keys = new Set([...shed].map((text) => keyOf(text)))
  const torn = inLog.find(({ key }) => keys.has(key))
  if (torn) fail(`session ${torn.key} was shed and is in the log`)
  const wrong = inLog.find(({ weight }) => weight !== 1 / world.share)
  if (wrong) fail(`${identity(wrong)} stands for ${wrong.weight} events at a share of ${world.share}`)
}

/** What every store and every reader has, against what must come out. */
export const checkStores = async (
  world: World,
  cluster: Cluster,
  model: Model,
  dashboards: readonly Dashboard[],
  sent: Sent,
): Promise<void> => {
  const fail = (what: string): void => void world.failures.push(what)
  checkEvents(world, model, fail)
  checkBooks(world, model, fail)
  const changes = changesOf(world)
  const deltas = changes.filter((row): row is AggregateRow => !isSessionRow(row))
  compare('windows of all deltas', totalsOf(model, deltas), expectedTotals(model), fail)
  const stored = [...world.disk.sessions.values()]
  compare('stored sessions', newestSessions(model, stored), expectedSessions(model), fail)
  compare('committed sessions', newestSessions(model, changes.filter(isSessionRow)), expectedSessions(model), fail)
  compare('stored windows', totalsOf(model, [...world.disk.rows.values()]), expectedTotals(model), fail)
  const known = new Set([...model.counted, ...model.late].map(({ line }) => identity(line)))
  const lost = [...sent.acknowledged].filter((one) => !known.has(one))
  if (lost.length > 0) fail(`${lost.length} acknowledged events are lost, such as ${lost[0]}`)
  checkShed(world, model, sent, fail)
  for (const dashboard of dashboards) await checkDashboard(world, cluster, model, dashboard, fail)
}
