/** Numbers of the protocol (https://kafka.apache.org/protocol), as far as this server speaks it. */
export const API = {
  produce: 0,
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  findCoordinator: 10,
  saslHandshake: 17,
  apiVersions: 18,
  saslAuthenticate: 36,
} as const

export const ERROR = {
  none: 0,
  offsetOutOfRange: 1,
  /** The Java client throws at once; nothing else that Fetch may answer is as loud. */
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  /** Clients ask again. In Fetch its neighbour 5, leader not available, ends a Java client. */
  notLeader: 6,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  unsupportedSaslMechanism: 33,
  unsupportedVersion: 35,
  saslAuthenticationFailed: 58,
} as const

export type ErrorCode = (typeof ERROR)[keyof typeof ERROR]

export interface Supported {
  api: number
  min: number
  max: number
  /** For logs and metrics. */
  name: string
}

/**
 * Produce is named although every one is refused: librdkafka reads batches of records only from servers that name it. So
 * is FindCoordinator: without it librdkafka waits for a group for ever. What else belongs to groups and transactions is
 * not named.
 */
const ALWAYS: readonly Supported[] = [
  { api: API.produce, min: 3, max: 3, name: 'Produce' },
  { api: API.fetch, min: 4, max: 11, name: 'Fetch' },
  { api: API.listOffsets, min: 1, max: 5, name: 'ListOffsets' },
  { api: API.metadata, min: 4, max: 8, name: 'Metadata' },
  { api: API.findCoordinator, min: 0, max: 2, name: 'FindCoordinator' },
  { api: API.apiVersions, min: 0, max: 3, name: 'ApiVersions' },
]
const WITH_USERS: readonly Supported[] = [
  { api: API.saslHandshake, min: 0, max: 1, name: 'SaslHandshake' },
  { api: API.saslAuthenticate, min: 0, max: 1, name: 'SaslAuthenticate' },
]

export const supportedApis = (withUsers: boolean): readonly Supported[] =>
  withUsers ? [...ALWAYS, ...WITH_USERS] : ALWAYS
