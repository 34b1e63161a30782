/** Bounds of the server. Bytes and milliseconds. */
export const KAFKA_LIMITS = {
  connections: 256,
  /** Of all connections: requests that are being read, and answers that are being made or sent. */
  bytesInFlight: 128_000_000,
  /** Of one answer to Fetch; the last record of it may go beyond. */
  responseBytes: 8_000_000,
  /** A client that asks for less than this gets no smaller share when memory is short. */
  leastShareBytes: 1_000_000,
  /** Newest records of all topics. */
  cacheBytes: 64_000_000,
  requestBytes: 1_100_000,
  /** Longest wait that a client may ask for. */
  waitMs: 30_000,
  /** Without a word of the client. */
  idleMs: 600_000,
  /** From the connection to the end of authentication. */
  loginMs: 15_000,
  /** From the first byte of a request to its last one. */
  requestMs: 30_000,
  /** From the first byte of an answer to its last one. */
  answerMs: 60_000,
} as const
