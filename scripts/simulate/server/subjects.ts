/** Whether a subject matches a filter of NATS: `*` is one token, `>` all that follow. */
export const matches = (filter: string, subject: string): boolean => {
  const wanted = filter.split('.')
  const tokens = subject.split('.')
  for (const [i, token] of wanted.entries()) {
    if (token === '>') return tokens.length > i
    if (i >= tokens.length || (token !== '*' && token !== tokens[i])) return false
  }
  return wanted.length === tokens.length
}
