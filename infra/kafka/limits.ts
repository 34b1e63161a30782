/** Bounds of the server. Bytes and milliseconds. */
export interface KafkaLimits {
  connections: number
  /** Of all connections: requests that are being read, and answers that are being made or sent. */
  bytesInFlight: number
  /** Of one answer to Fetch; the last record of it may go beyond. */
  responseBytes: number
  /** A client that asks for less than this gets no smaller share when memory is short. */
  leastShareBytes: number
  /**
   * Of all questions by one connection to NATS that are open. Its server ends a connection for which more than 64 MB wait, and what answers
   * a direct get waits for nobody.
   */
  bytesAsked: number
  /** Newest records of all topics. */
  cacheBytes: number
  requestBytes: number
  /** Longest wait that a client may ask for. */
  waitMs: number
  /** Without a word of the client. */
  idleMs: number
  /** From the connection to the end of authentication. */
  loginMs: number
  /** From the first byte of a request to its last one. */
  requestMs: number
  /** From the first byte of an answer to its last one. */
  answerMs: number
}

export const KAFKA_LIMITS: KafkaLimits = {
  connections: 256,
  bytesInFlight: 128_000_000,
  responseBytes: 8_000_000,
  leastShareBytes: 1_000_000,
  bytesAsked: 24_000_000,
  cacheBytes: 64_000_000,
  requestBytes: 1_100_000,
  waitMs: 30_000,
  idleMs: 600_000,
  loginMs: 15_000,
  requestMs: 30_000,
  answerMs: 60_000,
}
