import { chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findChromium } from '#infra/testing/chromium.ts'
import { startProduct, type TestProduct } from '#infra/testing/product.ts'

const executablePath = findChromium(process.env)
/** Only where nobody relies on it: in CI a missing browser is a failure. */
const skipped = !executablePath && !process.env.CI
const PATIENCE = { timeout: 30_000 }

let product: TestProduct
beforeAll(async () => {
  if (!skipped) product = await startProduct({ flags: ['--demo'] })
})
afterAll(async () => product?.[Symbol.asyncDispose]())

const openBrowser = async () => {
  const browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] })
  const page = await browser.newPage()
  const problems: string[] = []
  const hosts = new Set<string>()
  page.on('pageerror', (error) => problems.push(String(error)))
  page.on('request', (request) => hosts.add(new URL(request.url()).host))
  return { page, problems, hosts, [Symbol.asyncDispose]: () => browser.close() }
}

const state = (page: Page) => page.locator('#state').getAttribute('data-state')
/** Page views of the last hour, from the line under the chart's title. */
const total = async (page: Page): Promise<number> =>
  Number(((await page.locator('#chart-sub').textContent()) ?? '').split(' ')[0].replaceAll(',', ''))

test.skipIf(skipped)('a newcomer sees numbers move, and again after the gateway was killed', async () => {
  await using browser = await openBrowser()
  const { page, problems, hosts } = browser
  await page.goto(`${product.endpoints.dashboard}#token=${product.keys.readToken}`)
  await expect.poll(() => state(page), PATIENCE).toBe('live')
  expect(page.url()).not.toContain('token')
  await expect.poll(() => total(page), PATIENCE).toBeGreaterThan(0)
  const first = await total(page)
  await expect.poll(() => total(page), PATIENCE).toBeGreaterThan(first)
  // Nobody may have bought anything yet.
  await expect.poll(() => page.locator('#tiles .value').allTextContents(), PATIENCE).not.toContain('–')
  expect(await page.locator('#as-of').textContent()).toMatch(/^Data as of \d\d:\d\d:\d\d, \d+ s ago$/)
  expect(await page.locator('#pages li').count()).toBeGreaterThan(1)

  const before = await total(page)
  process.kill(product.pids().gateway, 'SIGKILL')
  await expect.poll(() => state(page), PATIENCE).toBe('connecting')
  await expect.poll(() => state(page), PATIENCE).toBe('live')
  await expect.poll(() => total(page), PATIENCE).toBeGreaterThan(before)

  await page.getByRole('radio', { name: 'Revenue' }).click()
  await page.getByRole('radio', { name: 'By hour' }).click()
  await expect.poll(() => page.locator('#chart-title').textContent()).toBe('Revenue per hour')
  await expect.poll(() => page.locator('#chart .column').count(), PATIENCE).toBeGreaterThan(0)
  expect(problems).toEqual([])
  expect([...hosts]).toEqual([new URL(product.endpoints.dashboard).host])
})

test.skipIf(skipped)('without a token, and with a wrong one, the page asks for one', async () => {
  await using browser = await openBrowser()
  const { page } = browser
  await page.goto(product.endpoints.dashboard)
  await page.getByLabel('Read token').fill('wrong')
  await page.getByRole('button', { name: 'Open dashboard' }).click()
  await expect.poll(() => page.getByRole('alert').textContent(), PATIENCE).toMatch(/UNAUTHENTICATED/)
  await page.getByLabel('Read token').fill(product.keys.readToken)
  await page.getByRole('button', { name: 'Open dashboard' }).click()
  await expect.poll(() => state(page), PATIENCE).toBe('live')
})
