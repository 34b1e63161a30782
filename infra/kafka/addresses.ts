import type { BrokerAddress } from './metadata.ts'

const ADDRESS = /^(\d{1,9})=(.+):(\d{1,5})$/

/** `1=host:port,2=host:port`; throws an error in words. */
export const parseAddresses = (text: string): BrokerAddress[] => {
  const addresses = text.split(',').map((part) => {
    const [, id, host, port] = ADDRESS.exec(part.trim()) ?? []
    if (id === undefined || Number(port) < 1 || Number(port) > 65_535)
      throw new Error(`expected id=host:port, got "${part}"`)
    return { id: Number(id), host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
  })
  if (new Set(addresses.map(({ id }) => id)).size < addresses.length) throw new Error('expected each id once')
  return addresses
}
