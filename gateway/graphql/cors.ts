/** Pages of any origin may ask: the key is the right to do so, and there are no cookies. */
export const GRAPHQL_CORS = {
  origin: '*',
  credentials: false,
  methods: ['GET', 'POST', 'OPTIONS'],
  allowedHeaders: ['authorization', 'content-type', 'traceparent', 'tracestate'],
  maxAge: 86_400,
}

const ALWAYS = {
  'access-control-allow-methods': GRAPHQL_CORS.methods.join(', '),
  'access-control-allow-headers': GRAPHQL_CORS.allowedHeaders.join(', '),
  'access-control-max-age': String(GRAPHQL_CORS.maxAge),
}

/** The headers that yoga adds to an answer for a page of this origin. */
export const corsHeaders = (origin: string | undefined): Record<string, string> =>
  origin === undefined ? {} : { 'access-control-allow-origin': origin, vary: 'Origin', ...ALWAYS }
