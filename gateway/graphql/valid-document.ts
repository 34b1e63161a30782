import { type DocumentNode, getOperationAST, type OperationTypeNode } from 'graphql'
import type { OperationRequest } from './operation-request.ts'
import type { GraphqlServer } from './yoga.ts'

export type Enveloped = ReturnType<GraphqlServer['getEnveloped']>

/** A document that may be executed, and what the operation that was chosen is. */
interface ValidDocument {
  document: DocumentNode
  operation: OperationTypeNode
}

/** Parsed and validated by the server's plugins; null when there is something to say about it. */
export const validDocument = (
  { parse, validate, schema }: Enveloped,
  { query, operationName }: OperationRequest,
): ValidDocument | null => {
  try {
    const document: DocumentNode = parse(query)
    if (validate(schema, document).length > 0) return null
    const chosen = getOperationAST(document, operationName)
    return chosen ? { document, operation: chosen.operation } : null
  } catch {
    return null
  }
}
