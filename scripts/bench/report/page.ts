import { escapeText } from './chart.ts'

/** Colours that stay apart for most eyes, in both schemes. */
const STYLE = `
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #0b0b0b; --soft: #52514e; --grid: #e4e3df; --goal: #8a8984;
  --s0: #2a78d6; --s1: #eb6834; --s2: #1baf7a; --s3: #4a3aa7; --s4: #eda100; --s5: #e87ba4; --s6: #898781; --s7: #008300 }
@media (prefers-color-scheme: dark) { :root { --paper: #1a1a19; --ink: #ffffff; --soft: #c3c2b7; --grid: #33332f; --goal: #898781;
  --s0: #3987e5; --s1: #d95926; --s2: #199e70; --s3: #9085e9; --s4: #c98500; --s5: #d55181; --s6: #898781; --s7: #4aa84a } }
body { margin: 0 auto; max-width: 1520px; padding: 28px; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 24px; margin: 0 } p { color: var(--soft); margin: 4px 0 20px }
.tiles { display: flex; flex-wrap: wrap; gap: 12px 40px; margin: 0 0 24px }
.tiles div { min-width: 110px } .tiles b { display: block; font-size: 26px; font-weight: 600 } .tiles span { color: var(--soft) }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 24px 32px }
figure { margin: 0 } figcaption .unit, .key { color: var(--soft) } .key { margin-right: 16px; white-space: nowrap }
.key i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; vertical-align: -1px }
svg { width: 100%; height: auto; display: block } .grid { stroke: var(--grid) } .goal { stroke: var(--goal); stroke-dasharray: 5 4 }
.tick { fill: var(--soft); font-size: 12px } .line { fill: none; stroke-width: 2; stroke-linejoin: round }
table { border-collapse: collapse; margin-top: 28px } th, td { text-align: right; padding: 3px 14px; border-bottom: 1px solid var(--grid); font-variant-numeric: tabular-nums }
th { color: var(--soft); font-weight: 500 } th:first-child, td:first-child { text-align: left; padding-left: 0 }
${Array.from({ length: 8 }, (_, i) => `.line.series-${i} { stroke: var(--s${i}) } .area.series-${i} { fill: var(--s${i}) } i.series-${i} { background: var(--s${i}) }`).join('\n')}`

export interface Page {
  title: string
  /** What was measured, on what. */
  subtitle: string
  tiles: readonly { value: string; label: string }[]
  /** HTML of renderChart. */
  charts: readonly string[]
  tables: readonly (readonly (readonly (string | number)[])[])[]
}

const cell = (value: string | number): string =>
  escapeText(typeof value === 'number' ? value.toLocaleString('en-US') : value)

const tableOf = ([head, ...rows]: Page['tables'][number]): string =>
  `<table><tr>${head.map((name) => `<th>${cell(name)}</th>`).join('')}</tr>${rows
    .map((row) => `<tr>${row.map((value) => `<td>${cell(value)}</td>`).join('')}</tr>`)
    .join('')}</table>`

/** One page in itself: it loads nothing from anywhere. */
export const renderPage = ({ title, subtitle, tiles, charts, tables }: Page): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(title)}</title><style>${STYLE}</style></head><body>
<h1>${escapeText(title)}</h1><p>${escapeText(subtitle)}</p>
<div class="tiles">${tiles.map(({ value, label }) => `<div><b>${escapeText(value)}</b><span>${escapeText(label)}</span></div>`).join('')}</div>
<div class="charts">${charts.join('\n')}</div>
${tables.map(tableOf).join('\n')}
</body></html>
`
