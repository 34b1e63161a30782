import { describe, expect, it } from 'vitest'
import type { ClientEvent } from '#schema/event.ts'
import { createFakeGeoIp } from '../testing/fakes.ts'
import { clientAddress } from './client-address.ts'
import { createEnricher, type RequestInfo } from './enrich.ts'
import { createAgentReader } from './user-agent.ts'

const CHROME =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0.1700.77 Safari/537.36'
const enricher = createEnricher({ geoip: createFakeGeoIp({ '1.1.1.1': 'AU', '5.6.7.8': 'DE' }) })
const enrich = (sent: ClientEvent, source: string, from: RequestInfo) => enricher(source, from).value(sent)
const event = (context?: Record<string, unknown>): ClientEvent => ({ id: 'i', name: 'x', ...(context && { context }) })
const request = { address: '5.6.7.8', userAgent: CHROME }

describe('enrichment', () => {
  it('takes country and agent of a live event from its request', () => {
    expect(enrich(event(), 'live', request)).toEqual({
      country: 'DE',
      browser: 'Chrome',
      os: 'macOS',
      device: 'desktop',
    })
  })

  it('prefers what the event says of its client, and takes the address out of it', () => {
    const sent = event({ ip: '1.1.1.1', userAgent: 'Googlebot/2.1', locale: 'en' })
    expect(enrich(sent, 'live', request)).toEqual({ country: 'AU', browser: 'Googlebot', device: 'bot' })
    expect(sent.context).toEqual({ userAgent: 'Googlebot/2.1', locale: 'en' })
  })

  it('takes nothing from the request of an import, nor of a server that speaks for a client', () => {
    expect(enrich(event(), 'import-1', request)).toEqual({})
    expect(enrich(event({ ip: '1.1.1.1' }), 'live', request)).toEqual({ country: 'AU' })
    expect(enrich(event({ userAgent: 'curl/8' }), 'live', request)).toEqual({})
  })

  it('takes an address out that it cannot read, whatever it is', () => {
    for (const ip of [null, 5, {}, '', 'nonsense']) {
      const sent = event({ ip })
      expect(enrich(sent, 'live', {})).toEqual({})
      expect(sent.context).toEqual({})
    }
  })
})

it('a user agent of odd bytes or great length throws nothing', () => {
  const read = createAgentReader(4)
  for (const agent of ['', ' ', '\0\xff', '(((((', '__proto__', 'x'.repeat(30_000), '\ud800', '-'])
    expect(read(agent)).toEqual({})
  expect(read(CHROME)).toEqual({ browser: 'Chrome', os: 'macOS', device: 'desktop' })
})

describe('the address of the client', () => {
  it('is the peer, whose word about others counts only when it is a proxy on this machine', () => {
    expect(clientAddress('9.9.9.9', '1.1.1.1')).toBe('9.9.9.9')
    expect(clientAddress('127.0.0.1', '1.1.1.1, 2.2.2.2')).toBe('1.1.1.1')
    expect(clientAddress('::ffff:127.0.0.1', '1.1.1.1')).toBe('1.1.1.1')
    expect(clientAddress('::1', undefined)).toBe('::1')
    expect(clientAddress('::1', ' ')).toBe('::1')
    expect(clientAddress(undefined, '1.1.1.1')).toBeUndefined()
  })

  it('is without port, brackets, zone and IPv4 mapping', () => {
    const forwarded = (text: string) => clientAddress('127.0.0.1', text)
    expect(forwarded('1.1.1.1:80')).toBe('1.1.1.1')
    expect(forwarded('[2001:db8::1]:443')).toBe('2001:db8::1')
    expect(forwarded('fe80::1%eth0')).toBe('fe80::1')
    expect(forwarded('::ffff:1.2.3.4')).toBe('1.2.3.4')
  })
})
