import type { Keys } from '#infra/compose/first-keys.ts'
import { postGraphql } from '#infra/testing/graphql.ts'
import { formatTime } from '#schema/time.ts'
import { createShop } from '#scripts/demo/shop.ts'

const BATCH = 500
const TURN_MS = 100
const WAIT_MS = 60_000

interface Site {
  port: number
  keys: Keys
}

const send = async ({ port, keys }: Site, events: readonly object[]): Promise<void> => {
  const body = events.map((event) => JSON.stringify(event)).join('\n')
  const headers = { authorization: `Bearer ${keys.writeKey}`, 'content-type': 'application/x-ndjson' }
  const response = await fetch(`http://127.0.0.1:${port}/v1/events`, { method: 'POST', headers, body })
  if (response.status !== 200) throw new Error(`events were answered ${response.status}: ${await response.text()}`)
}

/** A question that every bench of reads asks: page views by minute of the last minutes, all paths as one. */
export const VIEWS = `query ($from: DateTime!, $to: DateTime!, $by: [String!]) {
  metric(name: "page_views", window: { tumbling: "PT1M" }, by: $by, from: $from, to: $to) {
    points { windowStart dimensions value events status } watermark truncated
  }
}`

/** Fills the last `minutes` with the shop's events, in the order of their times, and waits until they count. */
export const fillMinutes = async (site: Site, minutes: number, eventsPerSecond: number): Promise<void> => {
  const startMs = Date.now() - minutes * 60_000
  const shop = createShop({ seed: 1, eventsPerSecond, startMs })
  let batch: object[] = []
  for (const event of shop.until(Date.now())) {
    batch.push(event)
    if (batch.length < BATCH) continue
    await send(site, batch)
    batch = []
  }
  await send(site, batch)
  const variables = { from: formatTime(startMs), to: formatTime(Date.now()), by: [] }
  const giveUpAt = Date.now() + WAIT_MS
  for (;;) {
    const answer = await postGraphql<{ metric: { points: object[] } }>(
      `http://127.0.0.1:${site.port}/graphql`,
      site.keys.readToken,
      JSON.stringify({ query: VIEWS, variables }),
    )
    if ((answer.data?.metric.points.length ?? 0) >= minutes - 1) return
    if (Date.now() > giveUpAt) throw new Error(`the events do not count: ${JSON.stringify(answer).slice(0, 300)}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Sends so many events a second until it is stopped, so that the live view moves. */
export const keepSending = (site: Site, eventsPerSecond: number) => {
  const shop = createShop({ seed: 2, eventsPerSecond, startMs: Date.now() })
  let sent = 0
  let running: Promise<void> = Promise.resolve()
  const turn = async (): Promise<void> => {
    const events = [...shop.until(Date.now())]
    for (let i = 0; i < events.length; i += BATCH) await send(site, events.slice(i, i + BATCH))
    sent += events.length
  }
  const timer = setInterval(() => {
    running = running.then(turn)
  }, TURN_MS)
  return {
    sent: () => sent,
    async stop(): Promise<void> {
      clearInterval(timer)
      await running
    },
  }
}
