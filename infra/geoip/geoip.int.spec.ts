import { expect, it } from 'vitest'
import { openGeoIp } from './geoip.ts'

it('tells the country of public addresses of both families', async () => {
  const geoip = await openGeoIp()
  expect(geoip.country('8.8.8.8')).toBe('US')
  expect(geoip.country('83.149.9.216')).toBe('RU')
  expect(geoip.country('2001:4860:4860::8888')).toBe('US')
})

it('tells nothing of private addresses and of what is no address, and never throws', async () => {
  const geoip = await openGeoIp()
  const others = [
    '192.168.1.1',
    '10.0.0.1',
    '172.16.0.1',
    '127.0.0.1',
    '::1',
    'fe80::1',
    '',
    'nonsense',
    '999.1.1.1',
    '1.2.3.4.5',
    '\0',
  ]
  expect(others.map((address) => geoip.country(address))).toEqual(others.map(() => undefined))
})

it('rejects when the database is not there', async () => {
  await expect(openGeoIp('no-such-file.mmdb')).rejects.toThrow('no-such-file.mmdb')
})
