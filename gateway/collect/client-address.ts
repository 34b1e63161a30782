/**
 * The address of the client: the peer, or what a proxy on this machine says in X-Forwarded-For (its first address).
 * From any other peer the header could be anybody's invention. Without port, brackets or zone.
 */
export const clientAddress = (
  peer: string | undefined,
  forwardedFor: string | string[] | undefined,
): string | undefined => {
  if (peer === undefined) return undefined
  const direct = bareAddress(peer)
  if (forwardedFor === undefined || !isLoopback(direct)) return direct
  const first = (Array.isArray(forwardedFor) ? forwardedFor[0] : forwardedFor).split(',', 1)[0].trim()
  return first === '' ? direct : bareAddress(first)
}

/** `1.2.3.4:80`, `[2001:db8::1]:443`, `::ffff:1.2.3.4` and `fe80::1%eth0` without what surrounds the address. */
export const bareAddress = (text: string): string => {
  if (/^[\d.]+$/.test(text)) return text
  const bracketed = /^\[([^\]]*)\]/.exec(text)
  let address = bracketed ? bracketed[1] : text
  if (/^[^:]*:\d+$/.test(address)) address = address.slice(0, address.indexOf(':'))
  address = address.split('%', 1)[0]
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice('::ffff:'.length) : address
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.')
