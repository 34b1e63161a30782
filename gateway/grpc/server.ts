import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation } from 'grpc-health-check'
import { MillraceError } from '#schema/errors.ts'
import type { KeyRecord } from '#schema/keys.ts'
import { LIMITS } from '#schema/limits.ts'
import { readTrace } from '#schema/trace.ts'
import { type Authenticate, requireRight } from '../auth.ts'
import type { Admission } from '../collect/admission.ts'
import { bareAddress, clientAddress } from '../collect/client-address.ts'
import type { Collector } from '../collect/collector.ts'
import { inspect } from '../collect/inspect.ts'
import { overloaded } from '../collect/overloaded.ts'
import { readEvents, type SentEvents } from '../collect/read-events.ts'
import type { EventProblem } from '../collect/verdict.ts'
import { asMillraceError } from '../http/answer.ts'
import { rateLimitFields } from '../limits/rate-limit-fields.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import { listenOn, type Place } from '../listen.ts'
import { BYTES, eventOf, type ReceiptMessage, receiptOf, type TrackRequest } from './messages.ts'
import { failureOf } from './status.ts'

const PROTO = fileURLToPath(new URL('../../schema/collector.proto', import.meta.url))
const SERVICE = 'millrace.v1.Collector'
/** The rest of a message beside its events. */
const ENVELOPE_BYTES = 1_000
/** Calls of one connection at once: the library holds the message of each before anybody can count it. */
const MOST_STREAMS = 100
/** Requests of one stream that wait for the log; past them nothing is read of it. */
const MOST_WAITING = 16

export interface GrpcServerDependencies {
  collector: Pick<Collector, 'collect'>
  /** The bound on bytes in flight; none: requests are not counted. */
  admission?: Pick<Admission, 'open' | 'retryAfterMs'>
  /** Tells clients what is left of their limits. */
  rates?: Pick<RateLimiter, 'look'>
  authenticate: Authenticate
  /** Told of errors that are nobody's fault outside. */
  onError: (error: unknown, where: string) => void
}

const text = (metadata: Metadata, name: string): string | undefined => metadata.get(name)[0]?.toString()

/** Events of a request, with what is wrong with them as values. */
const eventsOf = ({ events = [], body }: TrackRequest): SentEvents => {
  if (body === undefined || body.length === 0) {
    const values = events.map(eventOf)
    const problems = new Map<number, EventProblem>()
    for (const [index, value] of values.entries()) {
      const problem = inspect(value)
      if (problem) problems.set(index, problem)
    }
    return { events: values, problems }
  }
  if (events.length === 0) return readEvents(body)
  throw new MillraceError('BAD_INPUT', 'Expected events or a body, found both. Send them in two requests.')
}

/** Remembers how long a request was on its way: its events have no length of their own. */
const measured = (definition: ServiceDefinition): ServiceDefinition =>
  Object.fromEntries(
    Object.entries(definition).map(([name, method]) => {
      const decode = (data: Buffer): TrackRequest => {
        const request = method.requestDeserialize(data) as TrackRequest
        return Object.assign(request, { [BYTES]: data.length })
      }
      return [name, { ...method, requestDeserialize: decode }]
    }),
  )

type Call = Pick<ServerUnaryCall<TrackRequest, ReceiptMessage>, 'metadata' | 'getPeer'>

/** The collector over gRPC, with reflection and the standard health service. */
export const createGrpcServer = ({ collector, admission, rates, authenticate, onError }: GrpcServerDependencies) => {
  const definition = loadSync(PROTO, { longs: Number, enums: String, oneofs: true })
  const server = new Server({
    'grpc.max_receive_message_length': LIMITS.requestBytes + ENVELOPE_BYTES,
    'grpc.max_concurrent_streams': MOST_STREAMS,
    'grpc.keepalive_time_ms': 60_000,
  })
  /** Of each open stream: reads no more of it, and ends it behind the receipts that are under way. */
  const streams = new Set<() => void>()

  /** How a call fails; `key` as far as it is known. */
  const fail = (error: unknown, where: string, key?: KeyRecord) => {
    if (!(error instanceof MillraceError)) onError(error, where)
    const failure = asMillraceError(error)
    const isLimit = failure.code === 'RATE_LIMITED' && key !== undefined
    return failureOf(failure, isLimit ? rateLimitFields(rates?.look(key) ?? []) : {})
  }

  /** Throws when the key may not send. It is checked before anything else of the call. */
  const admit = (call: Call) => {
    const key = authenticate(text(call.metadata, 'authorization'))
    requireRight(key, 'WRITE')
    const address = clientAddress(bareAddress(call.getPeer()), text(call.metadata, 'x-forwarded-for'))
    const traceparent = text(call.metadata, 'traceparent')
    const trace = readTrace({ traceparent, tracestate: text(call.metadata, 'tracestate') })
    const collect = async (request: TrackRequest): Promise<ReceiptMessage> => {
      const source = request.source || undefined
      const sent = { tenant: key.tenant, key, bytes: request[BYTES], source, address, trace, ...eventsOf(request) }
      const share = admission?.open()
      try {
        if (share?.grow(sent.bytes ?? 0) === false) throw overloaded(admission?.retryAfterMs() ?? 0)
        return receiptOf(await collector.collect(sent), request.all === true)
      } finally {
        share?.release()
      }
    }
    return { key, collect }
  }

  const track = async (
    call: ServerUnaryCall<TrackRequest, ReceiptMessage>,
    answer: sendUnaryData<ReceiptMessage>,
  ): Promise<void> => {
    let key: KeyRecord | undefined
    try {
      const admitted = admit(call)
      key = admitted.key
      answer(null, await admitted.collect(call.request))
    } catch (error) {
      answer(fail(error, 'Track', key))
    }
  }

  const trackStream = (call: ServerDuplexStream<TrackRequest, ReceiptMessage>): void => {
    const left = new AbortController()
    let key: KeyRecord | undefined
    let isOver = false
    let isStopping = false
    let waiting = 0
    let last: Promise<void> = Promise.resolve()

    /** Receipts that are ready have been sent. */
    const end = (error: unknown): void => {
      if (isOver) return
      isOver = true
      streams.delete(stop)
      if (!left.signal.aborted) call.emit('error', fail(error, 'TrackStream', key))
    }
    const send = async (receipt: ReceiptMessage): Promise<void> => {
      if (isOver) return
      if (!call.write(receipt)) await once(call, 'drain', { signal: left.signal })
      waiting--
      if (waiting < MOST_WAITING && !isStopping) call.resume()
    }
    const stop = (): void => {
      isStopping = true
      call.pause()
      const error = new MillraceError('UNAVAILABLE', 'The gateway stops. Send what has no receipt again.')
      void last.then(() => end(error), end)
    }
    streams.add(stop)
    call.on('cancelled', () => {
      left.abort()
      end(null)
    })
    try {
      const admitted = admit(call)
      key = admitted.key
      call.on('data', (request: TrackRequest) => {
        waiting++
        if (waiting >= MOST_WAITING) call.pause()
        const receipt = admitted.collect(request)
        last = last.then(async () => send(await receipt))
        // Each failure is told once, behind the receipts before it.
        receipt.catch(() => {})
        last.catch(end)
      })
      call.on('end', () => {
        void last.then(
          () => {
            streams.delete(stop)
            if (!isOver) call.end()
          },
          () => {},
        )
      })
    } catch (error) {
      end(error)
    }
  }

  server.addService(measured(definition[SERVICE] as ServiceDefinition), {
    Track: track,
    TrackStream: trackStream,
  } as UntypedServiceImplementation)
  new ReflectionService(definition).addToServer(server)
  const health = new HealthImplementation({ '': 'SERVING', [SERVICE]: 'SERVING' })
  health.addToServer(server)

  // The library listens without sharing a port: connections are handed to it.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const sockets = new Set<Socket>()
  const door = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    injector.injectConnection(socket)
  })

  /** Answers the port. Rejects when it is taken. */
  const listen = async (place: Place): Promise<number> => {
    const port = await listenOn(door, place)
    door.on('error', (error) => onError(error, 'listening'))
    return port
  }

  /** Takes no more calls, lets those under way finish for up to `limitMs`, then ends what is left. */
  const close = async (limitMs: number): Promise<void> => {
    health.setStatus('', 'NOT_SERVING')
    health.setStatus(SERVICE, 'NOT_SERVING')
    const { promise, resolve } = Promise.withResolvers<void>()
    const shut = new Promise<unknown>((closed) => door.close(closed))
    server.tryShutdown(() => resolve())
    const timer = setTimeout(() => {
      server.forceShutdown()
      for (const socket of sockets) socket.destroy()
    }, limitMs)
    for (const stop of streams) stop()
    await Promise.all([promise, shut])
    clearTimeout(timer)
  }

  return { listen, close }
}
