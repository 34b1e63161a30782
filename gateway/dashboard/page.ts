import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname } from 'node:path'

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Every file of the page; nothing else is ever served. */
const FILES = [
  'index.html',
  'style.css',
  'icon.svg',
  'main.mjs',
  'board.mjs',
  'chart.mjs',
  'format.mjs',
  'lists.mjs',
  'scale.mjs',
  'series.mjs',
  'session.mjs',
  'socket.mjs',
]

/** The page loads nothing from elsewhere, and nobody may frame it: it holds a read token. */
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
}

interface Asset {
  data: Buffer
  headers: Record<string, string>
}

const load = async (file: string): Promise<[string, Asset]> => {
  const data = await readFile(new URL(`public/${file}`, import.meta.url))
  const etag = `"${createHash('sha256').update(data).digest('base64url').slice(0, 22)}"`
  return [file === 'index.html' ? '/' : `/${file}`, { data, headers: { 'content-type': TYPES[extname(file)], etag } }]
}

const refuse = (response: ServerResponse, status: number, headers: Record<string, string>): void => {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers })
  response.end(status === 404 ? 'There is nothing here. The dashboard is at /.\n' : 'Only GET and HEAD.\n')
}

/** Serves the dashboard at `/` from memory. */
export const createPage = async () => {
  const assets = new Map(await Promise.all(FILES.map(load)))
  return (request: IncomingMessage, response: ServerResponse, url: URL): void => {
    const { method, headers } = request
    const asset = assets.get(url.pathname)
    if (!asset) refuse(response, 404, {})
    else if (method !== 'GET' && method !== 'HEAD') refuse(response, 405, { allow: 'GET, HEAD' })
    else {
      const isKnown = headers['if-none-match'] === asset.headers.etag
      const length = isKnown ? {} : { 'content-length': asset.data.length }
      response.writeHead(isKnown ? 304 : 200, { ...HEADERS, ...asset.headers, ...length })
      response.end(isKnown || method === 'HEAD' ? undefined : asset.data)
    }
  }
}

export type Page = Awaited<ReturnType<typeof createPage>>
