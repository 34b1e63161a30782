import type { ServerResponse } from 'node:http'
import { type ErrorCode, HTTP_STATUS, MillraceError } from '#schema/errors.ts'

/** An error as clients see it, whatever the protocol. */
export interface ErrorBody {
  code: ErrorCode
  message: string
  retryable: boolean
  [detail: string]: unknown
}

export const errorBody = (error: MillraceError): ErrorBody => ({
  code: error.code,
  message: error.message,
  retryable: error.retryable,
  ...error.details,
})

/** What an unexpected error becomes: its details are for the log, not for the client. */
export const asMillraceError = (error: unknown): MillraceError =>
  error instanceof MillraceError
    ? error
    : new MillraceError(
        'UNAVAILABLE',
        'Something unexpected went wrong; it is in the log of the gateway. Try again later.',
        {},
        { cause: error },
      )

/** Sends JSON, if there is still somebody to send it to: as text, which goes out in one piece with the head. */
export const sendJson = (
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void => {
  if (response.headersSent || response.destroyed) return
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  })
  response.end(text)
}

/** `{"error": {…}}` with the code's status; `status` where HTTP has a better one than the code. */
export const sendError = (
  response: ServerResponse,
  error: MillraceError,
  status = HTTP_STATUS[error.code],
  headers: Record<string, string> = {},
): void => {
  const challenge: Record<string, string> = error.code === 'UNAUTHENTICATED' ? { 'www-authenticate': 'Bearer' } : {}
  sendJson(
    response,
    status,
    { error: errorBody(error) },
    { ...retryAfter(error.details.retryAfterMs), ...challenge, ...headers },
  )
}

/** Retry-After in whole seconds, rounded up. */
export const retryAfter = (ms: unknown): Record<string, string> =>
  typeof ms === 'number' ? { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) } : {}

/** Fields of the answer that is still to be sent, whatever it will be. */
export const setFields = (response: ServerResponse, fields: Record<string, string>): void => {
  if (response.headersSent) return
  for (const [name, value] of Object.entries(fields)) response.setHeader(name, value)
}
