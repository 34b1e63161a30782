/** Columns no wider than this; longer text ends in an ellipsis. */
const MAX_WIDTH = 60

const cell = (value: unknown): string => {
  if (value === null) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  // Characters that would move the cursor are shown as JSON writes them.
  const shown = /\p{Cc}/u.test(text) ? JSON.stringify(text).slice(1, -1) : text
  return shown.length > MAX_WIDTH ? `${shown.slice(0, MAX_WIDTH - 1)}…` : shown
}

/** Rows under their columns' names, numbers to the right. */
export const formatTable = (columns: readonly string[], rows: readonly unknown[][]): string => {
  const cells = rows.map((row) => row.map(cell))
  const width = columns.map((name, i) => cells.reduce((most, row) => Math.max(most, row[i].length), name.length))
  const right = columns.map(
    (_, i) => rows.length > 0 && rows.every((row) => row[i] === null || typeof row[i] === 'number'),
  )
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, i) => (right[i] ? text.padStart(width[i]) : text.padEnd(width[i])))
      .join('  ')
      .trimEnd()
  return [line(columns), width.map((n) => '─'.repeat(n)).join('  '), ...cells.map(line)].join('\n')
}
