import type { DocumentNode, GraphQLError, GraphQLSchema } from 'graphql'
import { createYoga } from 'graphql-yoga'
import type { GraphqlContext } from './context.ts'
import { GRAPHQL_CORS } from './cors.ts'
import { createDocumentCache } from './document-cache.ts'
import { createErrorMask, type ErrorLog } from './errors.ts'
import { useDocumentLimits } from './use-document-limits.ts'
import { useSharedUpdates } from './use-shared-updates.ts'

/** The GraphQL server without a transport: HTTP and SSE through fetch, WebSocket through getEnveloped. */
export const createGraphqlServer = (schema: GraphQLSchema, log: ErrorLog) =>
  createYoga<GraphqlContext>({
    schema,
    maskedErrors: { maskError: createErrorMask(log) },
    plugins: [useDocumentLimits(), useSharedUpdates()],
    parserAndValidationCache: {
      documentCache: createDocumentCache<DocumentNode>(),
      errorCache: createDocumentCache<GraphQLError>(),
      validationCache: true,
    },
    batching: false,
    multipart: false,
    // The body was read within the limit of a request.
    maxRequestBodySize: false,
    graphiql: false,
    landingPage: false,
    // The error mask writes what is worth a line.
    logging: false,
    cors: GRAPHQL_CORS,
  })

export type GraphqlServer = ReturnType<typeof createGraphqlServer>
