import { readdir, readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { createPage } from './page.ts'

const page = await createPage()

const ask = (path: string, { method = 'GET', headers = {} as Record<string, string> } = {}) => {
  const answer = { status: 0, headers: {} as Record<string, string>, body: undefined as Buffer | string | undefined }
  const response = {
    writeHead(status: number, given: Record<string, string>) {
      Object.assign(answer, { status, headers: given })
    },
    end(body?: Buffer | string) {
      answer.body = body
    },
  }
  const url = new URL(path, 'http://gateway')
  page({ method, headers } as IncomingMessage, response as unknown as ServerResponse, url)
  return answer
}

test('every file of the page is served with its type, and every import and link leads to one', async () => {
  const folder = new URL('public/', import.meta.url)
  for (const file of await readdir(folder)) {
    const { status, headers, body } = ask(file === 'index.html' ? '/' : `/${file}`)
    expect([file, status]).toEqual([file, 200])
    expect(headers['content-type']).toMatch(/^(text\/(html|css|javascript); charset=utf-8|image\/svg\+xml)$/)
    expect(body).toEqual(await readFile(new URL(file, folder)))
    for (const [, target] of String(body).matchAll(/(?:from '\.\/|(?:href|src)=")([\w.-]+)['"]/g)) {
      expect([file, target, ask(`/${target}`).status]).toEqual([file, target, 200])
    }
  }
})

test('the page loads nothing from elsewhere and cannot be framed', () => {
  const { headers, body } = ask('/')
  expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
  expect(String(body)).not.toMatch(/(src|href)="(https?:)?\/\//)
})

test('a browser that has a file already is spared it', () => {
  const { etag } = ask('/style.css').headers
  expect(ask('/style.css', { headers: { 'if-none-match': etag } })).toMatchObject({ status: 304, body: undefined })
  expect(ask('/style.css', { method: 'HEAD' })).toMatchObject({ status: 200, body: undefined })
})

test('anything else is not there', () => {
  for (const path of ['/page.ts', '/../page.ts', '/%2e%2e/page.ts', '/public/index.html', '/index.html'])
    expect(ask(path).status).toBe(404)
  expect(ask('/', { method: 'POST' }).status).toBe(405)
})
