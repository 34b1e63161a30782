import { GraphQLNonNull, GraphQLObjectType, GraphQLScalarType, GraphQLSchema } from 'graphql'

/** A result as the resolver gave it. */
const WHOLE = new GraphQLScalarType({ name: 'MetricResult', coerceOutputValue: (result) => result })

/**
 * `Query.metric` with its arguments and its resolver, its result one value that nothing is selected of. An executor that
 * runs an operation on it does all there is to do about variables, arguments, rights and errors, and leaves the points.
 */
export const createWholeSchema = (schema: GraphQLSchema): GraphQLSchema => {
  const { metric } = schema.getQueryType()!.toConfig().fields
  const fields = { metric: { ...metric, type: new GraphQLNonNull(WHOLE) } }
  return new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields }) })
}
