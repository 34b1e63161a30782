/** What a client asks for, as yoga takes it. */
export interface OperationRequest {
  query: string
  operationName?: string | null
  variables?: Record<string, unknown> | null
}

const KNOWN: ReadonlySet<string> = new Set(['query', 'variables', 'operationName', 'extensions'])

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isObjectOrNothing = (value: unknown): boolean => value === undefined || value === null || isObject(value)

/** The request in a body that is JSON; null for whatever yoga would have something to say about. */
export const readOperationRequest = (body: unknown): OperationRequest | null => {
  if (!isObject(body) || typeof body.query !== 'string') return null
  if (!isObjectOrNothing(body.variables) || !isObjectOrNothing(body.extensions)) return null
  const { operationName } = body
  if (operationName !== undefined && operationName !== null && typeof operationName !== 'string') return null
  // Own keys, and the keys of a prototype that somebody sent as __proto__.
  for (const name in body) if (!KNOWN.has(name)) return null
  return body as unknown as OperationRequest
}
