/** A row as it is spooled. Half a surrogate pair is no text that a store can hold: it becomes U+FFFD here, and only here. */
export const rowJson = <T extends { dims: readonly (string | null)[] }>(row: T): string => {
  const json = JSON.stringify(row)
  if (!json.includes('\\ud')) return json
  return JSON.stringify({ ...row, dims: row.dims.map((value) => value?.toWellFormed() ?? null) })
}
