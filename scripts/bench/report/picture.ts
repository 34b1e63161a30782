import { chromium } from 'playwright-core'
import { findChromium } from '#infra/testing/chromium.ts'
import { UsageError } from '#scripts/lib/args.ts'

/** Two charts side by side. */
const WIDTH = 1_400
const HEIGHT = 900

/** Throws UsageError where there is none. */
export const chromiumPath = (): string => {
  const path = findChromium(process.env)
  if (path !== null) return path
  throw new UsageError('--picture: no Chromium found; set MILLRACE_CHROMIUM to its path')
}

/** A picture of a whole page of HTML. */
export const takePicture = async (html: string, file: string): Promise<void> => {
  const browser = await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH, height: HEIGHT }, colorScheme: 'light' })
    await page.setContent(html)
    await page.screenshot({ path: file, fullPage: true })
  } finally {
    await browser.close()
  }
}
