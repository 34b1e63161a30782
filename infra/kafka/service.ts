import type { Span, Tracer } from '@opentelemetry/api'
import { writeApiVersions } from './api-versions.ts'
import type { ByteBudget, Lease } from './byte-budget.ts'
import type { Catalog } from './catalog.ts'
import { API, ERROR, type Supported, supportedApis } from './codes.ts'
import { readFetchRequest, writeFetch } from './fetch.ts'
import { createFetchHandler, type ReadPlace } from './fetch-handler.ts'
import { writeCoordinatorRefusal } from './find-coordinator.ts'
import type { KafkaLimits } from './limits.ts'
import { readListOffsetsRequest, writeListOffsets } from './list-offsets.ts'
import { type BrokerAddress, readMetadataRequest, writeMetadata } from './metadata.ts'
import type { KafkaMetrics } from './metrics.ts'
import { answerOffsets } from './offsets-handler.ts'
import { readProduceRequest, writeProduceRefusal } from './produce.ts'
import { Refusal } from './refusal.ts'
import {
  type Credentials,
  isPlain,
  readAuthenticateRequest,
  readPlain,
  writeAuthenticate,
  writeHandshake,
} from './sasl.ts'
import type { User, Users } from './users.ts'
import { WireReader, WireWriter } from './wire.ts'

/** What is known of a connection. */
export interface Session {
  /** Null: nobody has to say who he is. Undefined: he has not yet. */
  user: User | null | undefined
  /** The next bytes are credentials without a request around them: the handshake was of version 0. */
  expectsPlain: boolean
  places: Map<string, ReadPlace>
  closed: AbortSignal
}

export interface Answer {
  /** With its length before it. */
  parts: Buffer[]
  bytes: number
  /** Of what the parts hold. */
  lease: Lease | null
  /** Of a Fetch that gives records. */
  span?: Span
  /** Why the connection ends behind it. */
  ends?: Refusal
}

interface Dependencies {
  catalog: Catalog
  addresses: () => readonly BrokerAddress[]
  node: number
  clusterId: string
  /** Null: everybody may read all. */
  users: Users | null
  budget: ByteBudget
  metrics: KafkaMetrics
  limits: KafkaLimits
  tracer: Tracer
}

const NOTHING_HELD = { lease: null }
const WRONG = 'wrong name or password'

/** Request headers are all read in their oldest form: what newer ones add stands behind it, before nothing that counts. */
interface Header {
  api: number
  version: number
  correlation: number
}

const readHeader = (reader: WireReader): Header => {
  const [api, version, correlation] = [reader.int16(), reader.int16(), reader.int32()]
  reader.nullableString() // client id
  return { api, version, correlation }
}

const framed = (body: WireWriter): Pick<Answer, 'parts' | 'bytes'> => {
  const length = Buffer.allocUnsafe(4)
  length.writeInt32BE(body.length)
  return { parts: [length, ...body.parts()], bytes: body.length + 4 }
}

/** Answers requests; knows nothing of sockets. Rejects with Refusal for what ends a connection without an answer. */
export const createKafkaService = (dependencies: Dependencies) => {
  const { catalog, addresses, node, clusterId, users, budget, metrics, limits, tracer } = dependencies
  const supported = supportedApis(users !== null)
  const fetch = createFetchHandler({ catalog, budget, metrics, limits, tracer })

  const login = async (session: Session, credentials: Credentials): Promise<boolean> => {
    const user = (await users?.find(credentials)) ?? null
    if (user) session.user = user
    return user !== null
  }

  const describe = (user: User | null, asked: string[] | null) => {
    const named = asked ?? catalog.names(user)
    const topics = named.map((name) => {
      const error = catalog.access(user, name)
      if (error === ERROR.topicAuthorizationFailed) metrics.refused('authorization')
      return { name, error, partitions: error === ERROR.none ? catalog.partitions : 0 }
    })
    return { brokers: addresses(), clusterId, node, topics }
  }

  /** Of a user who is known, or of a server without users. Null: no answer is wanted. */
  const answerKnown = async (
    { api, version }: Header,
    reader: WireReader,
    writer: WireWriter,
    session: Session,
    user: User | null,
  ): Promise<Pick<Answer, 'lease' | 'span'> | null> => {
    switch (api) {
      case API.metadata:
        writeMetadata(writer, version, describe(user, readMetadataRequest(reader)))
        return NOTHING_HELD
      case API.listOffsets:
        writeListOffsets(writer, version, await answerOffsets(catalog, user, readListOffsetsRequest(reader, version)))
        return NOTHING_HELD
      case API.fetch: {
        const { places, closed } = session
        const { topics, ...held } = await fetch(readFetchRequest(reader, version), { user, places, closed })
        writeFetch(writer, version, topics)
        return held
      }
      case API.findCoordinator:
        metrics.refused('group')
        writeCoordinatorRefusal(writer, version)
        return NOTHING_HELD
      default: {
        const request = readProduceRequest(reader)
        metrics.refused('produce')
        writeProduceRefusal(writer, request)
        return request.acks === 0 ? null : NOTHING_HELD
      }
    }
  }

  const find = ({ api, version }: Header): Supported => {
    const found = supported.find((one) => one.api === api)
    // A newer version of this one is answered, with an error.
    if (found && version >= found.min && (version <= found.max || api === API.apiVersions)) return found
    throw new Refusal('version', `this server has no API ${api} of version ${version}`)
  }

  /** Credentials alone: an empty answer is a welcome. */
  const answerPlain = async (frame: Buffer, session: Session): Promise<Answer> => {
    session.expectsPlain = false
    if (!(await login(session, readPlain(frame)))) throw new Refusal('authentication', WRONG)
    return { ...framed(new WireWriter()), lease: null }
  }

  /** Null: the client wants none. */
  return async (frame: Buffer, session: Session): Promise<Answer | null> => {
    if (session.expectsPlain) return answerPlain(frame, session)
    const reader = new WireReader(frame)
    const header = readHeader(reader)
    const { name } = find(header)
    metrics.request(name)
    const writer = new WireWriter().int32(header.correlation)
    const done = (ends?: Refusal): Answer => ({ ...framed(writer), ...NOTHING_HELD, ends })
    switch (header.api) {
      case API.apiVersions:
        writeApiVersions(writer, header.version, supported)
        return done()
      case API.saslHandshake: {
        const mechanism = reader.string()
        writeHandshake(writer, mechanism)
        session.expectsPlain = header.version === 0 && isPlain(mechanism)
        return done()
      }
      case API.saslAuthenticate: {
        const isWelcome = await login(session, readAuthenticateRequest(reader))
        writeAuthenticate(writer, header.version, isWelcome)
        return isWelcome ? done() : done(new Refusal('authentication', WRONG))
      }
    }
    if (session.user === undefined) {
      throw new Refusal('authentication', `${name} before authentication`)
    }
    const held = await answerKnown(header, reader, writer, session, session.user)
    return held && { ...framed(writer), ...held }
  }
}

export type KafkaService = ReturnType<typeof createKafkaService>
