const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const one = new Intl.NumberFormat('en', { maximumFractionDigits: 1 })
const countries = new Intl.DisplayNames(['en'], { type: 'region' })
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

export const number = (value) => (Math.abs(value) < 1_000_000 ? whole.format(value) : short.format(value))
export const compact = (value) => short.format(value)
export const amount = (value) => (Math.abs(value) < 1_000_000 ? money.format(value) : short.format(value))
export const decimal = (value) => one.format(value)

/** Bytes in powers of ten. */
export const bytes = (value) => {
  let unit = 0
  let rest = value
  while (rest >= 1_000 && unit < UNITS.length - 1) {
    rest /= 1_000
    unit++
  }
  return `${one.format(rest)} ${UNITS[unit]}`
}

const time = (options) => new Intl.DateTimeFormat('en-GB', options)
const minuteTime = time({ hour: '2-digit', minute: '2-digit' })
const secondTime = time({ hour: '2-digit', minute: '2-digit', second: '2-digit' })
const dayTime = time({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })
const fullDay = time({ day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' })
const DAY_MS = 86_400_000

export const clock = (ms) => secondTime.format(ms)
export const hourMinute = (ms) => minuteTime.format(ms)
/** With the day where the reader could be in doubt, and the year where it is another one. */
export const moment = (ms, withSeconds = false) => {
  if (Date.now() - ms < DAY_MS / 2) return (withSeconds ? secondTime : minuteTime).format(ms)
  return new Date(ms).getFullYear() === new Date().getFullYear() ? dayTime.format(ms) : fullDay.format(ms)
}

/** "3 s", "4 min": how long ago. */
export const age = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 90) return `${seconds} s`
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`
}

export const country = (code) => {
  try {
    return countries.of(code) ?? code
  } catch {
    return code
  }
}
