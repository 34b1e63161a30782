import type { ServerResponse } from 'node:http'
import { processRegularResult } from 'graphql-yoga'
import { setFields } from '#gateway/http/answer.ts'
import { corsHeaders } from './cors.ts'
import type { MediaType } from './media-type.ts'
import type { Outcome } from './operation.ts'
import type { GraphqlServer } from './yoga.ts'

/** How an answer is sent: in which media type, and to a page of which origin. */
export interface AnswerForm {
  type: MediaType
  origin?: string
}

/**
 * Sends a text, if there is still somebody to send it to. Text goes out in one piece with
 * the head, which costs less than a buffer beside it.
 */
const sendText = (response: ServerResponse, text: string | Buffer, form: AnswerForm, status = 200): void => {
  if (response.destroyed) return
  response.writeHead(status, {
    'content-type': `${form.type}; charset=utf-8`,
    'content-length': typeof text === 'string' ? Buffer.byteLength(text) : text.length,
    ...corsHeaders(form.origin),
  })
  response.end(text)
}

/** Sends what came of an operation, errors as yoga tells them and with the status that it gives them. */
export const sendOutcome = async (
  server: Pick<GraphqlServer, 'fetchAPI'>,
  response: ServerResponse,
  outcome: Outcome,
  form: AnswerForm,
): Promise<void> => {
  if (typeof outcome === 'string' || Buffer.isBuffer(outcome)) return sendText(response, outcome, form)
  if (!outcome.errors) return sendText(response, JSON.stringify(outcome), form)
  const answer = processRegularResult(outcome, server.fetchAPI, form.type)
  const retryAfter = answer.headers.get('retry-after')
  if (retryAfter !== null) setFields(response, { 'retry-after': retryAfter })
  sendText(response, await answer.text(), form, answer.status)
}
