const textOf = (cell: string | number): string => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell)

/** Rows as a table of Markdown; the first is its head, and columns of numbers stand to the right. */
export const renderMarkdown = ([head, ...rows]: readonly (readonly (string | number)[])[]): string => {
  const line = (cells: readonly (string | number)[]): string => `| ${cells.map(textOf).join(' | ')} |`
  const marks = head.map((_, i) => (typeof rows[0]?.[i] === 'number' ? '---:' : '---'))
  return [line(head), line(marks), ...rows.map(line)].join('\n')
}

/** Rows as aligned columns; numbers stand to the right, with thousands separated. */
export const renderTable = (rows: readonly (readonly (string | number)[])[]): string => {
  const cells = rows.map((row) => row.map(textOf))
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)))
  return cells
    .map((row, r) =>
      row
        .map((cell, i) => (typeof rows[r][i] === 'number' ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
