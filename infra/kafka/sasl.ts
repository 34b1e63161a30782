import { ERROR } from './codes.ts'
import { Malformed } from './refusal.ts'
import type { WireReader, WireWriter } from './wire.ts'

const MECHANISM = 'PLAIN'

export interface Credentials {
  name: string
  password: string
}

/** [authorization id] NUL name NUL password, as RFC 4616 has it. */
export const readPlain = (bytes: Buffer): Credentials => {
  const parts = bytes.toString().split('\0')
  if (parts.length !== 3) throw new Malformed('expected name and password as SASL PLAIN sends them')
  const [, name, password] = parts
  return { name, password }
}

export const isPlain = (mechanism: string): boolean => mechanism === MECHANISM

export const writeHandshake = (writer: WireWriter, mechanism: string): void => {
  writer.int16(isPlain(mechanism) ? ERROR.none : ERROR.unsupportedSaslMechanism)
  writer.array([MECHANISM], (name) => writer.string(name))
}

export const readAuthenticateRequest = (reader: WireReader): Credentials => readPlain(reader.bytes(reader.int32()))

export const writeAuthenticate = (writer: WireWriter, version: number, isWelcome: boolean): void => {
  writer.int16(isWelcome ? ERROR.none : ERROR.saslAuthenticationFailed)
  writer.string(isWelcome ? null : 'wrong name or password').int32(0)
  if (version >= 1) writer.int64(0) // the session does not end by itself
}
