import { chromium } from 'playwright-core'
import { findChromium } from '#infra/testing/chromium.ts'
import { UsageError } from '#scripts/lib/args.ts'

const WIDTH = 1_200
const HEIGHT = 900

/** A picture of a whole page of HTML. Throws UsageError where there is no Chromium. */
export const takePicture = async (html: string, file: string): Promise<void> => {
  const executablePath = findChromium(process.env)
  if (executablePath === null) throw new UsageError('--picture: no Chromium found; set MILLRACE_CHROMIUM to its path')
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH, height: HEIGHT }, colorScheme: 'light' })
    await page.setContent(html)
    await page.screenshot({ path: file, fullPage: true })
  } finally {
    await browser.close()
  }
}
