import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { findChromium } from '#infra/testing/chromium.ts'

const HELP = `Takes a screenshot of the dashboard of a running gateway.

  screenshot --url URL --token READ_TOKEN [--out docs/images/dashboard.png] [--dark] [--seconds 5]
             [--width 1280] [--height 860]
`

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    token: { type: 'string' },
    out: { type: 'string', default: 'docs/images/dashboard.png' },
    dark: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '5' },
    width: { type: 'string', default: '1280' },
    height: { type: 'string', default: '860' },
    help: { type: 'boolean', default: false },
  },
})

const take = async (executablePath: string): Promise<void> => {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage({
      viewport: { width: Number(values.width), height: Number(values.height) },
      colorScheme: values.dark ? 'dark' : 'light',
      deviceScaleFactor: 2,
    })
    page.on('console', (message) => console.error(message.text()))
    page.on('pageerror', (error) => console.error(error))
    await page.goto(`${values.url}#token=${values.token}`)
    await page.locator('#state[data-state="live"]').waitFor()
    await page.waitForTimeout(Number(values.seconds) * 1_000)
    await mkdir(dirname(resolve(values.out)), { recursive: true })
    await page.screenshot({ path: values.out })
  } finally {
    await browser.close()
  }
}

const executable = findChromium(process.env)
if (values.help || !values.url || !values.token) console.log(HELP)
else if (executable) await take(executable)
else {
  console.error('no Chromium found; set MILLRACE_CHROMIUM to the path of one')
  process.exitCode = 1
}
