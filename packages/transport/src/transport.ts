/**
 * Datagrams in and out, in batches: a host's sockets as the layers above see them.
 *
 * @module
 */

import type { Address } from "./addresses.ts"
import type { BindOptions } from "./bind-options.ts"
import { Checks, whole } from "./check.ts"

/**
 * What this transport can do on this machine. A missing ability is no error: it makes the transport slower or more
 * careful.
 */
export interface Capabilities {
  /** The families with an open socket. */
  readonly families: readonly (4 | 6)[]
  /** `true`: DF is set, and a datagram too long for the path is refused (EMSGSIZE) or lost, never fragmented. */
  readonly dontFragment: boolean
  /** Segmentation offload on sending: many datagrams pass the network stack as one. */
  readonly gso: boolean
  /** Segmentation offload on receiving. */
  readonly gro: boolean
  /** `true`: one system call moves many datagrams. */
  readonly batch: boolean
  /**
   * `true`: datagrams go with the mark in {@link SendBatch.ecn}, and {@link ReceiveBatch.ecn} tells those that they came
   * with. Otherwise all go without, and none is told. What the path does to marks is another matter.
   */
  readonly ecn: boolean
  /** The resolution of `WakeUp`, milliseconds. Work due sooner goes through `Host.defer`. */
  readonly timerMs: number
  /** The longest datagram that can be sent or received, bytes of UDP payload. */
  readonly datagramBytesMax: number
  /** SO_RCVBUF in bytes as read back; the smaller of the two sockets'. */
  readonly receiveBufferBytes: number
  /** SO_SNDBUF in bytes as read back; the smaller of the two sockets'. */
  readonly sendBufferBytes: number
  /** One sentence for each thing that is missing or less than requested, with its cause and remedy. */
  readonly notes: readonly string[]
}

/** The marks of a datagram: the two bits of ECN in its IP header (RFC 3168 §5). */
export const ECN = {
  /** Not ECN-capable: a queue that is too long drops it. */
  notEct: 0,
  /** ECN-capable, for low latency (RFC 9331). */
  ect1: 1,
  /** ECN-capable: a queue that is too long may mark it instead of dropping it. */
  ect0: 2,
  /** Congestion experienced: a queue on the way has marked it. */
  ce: 3,
} as const

/**
 * Datagrams to send: parallel columns of fixed capacity, reused. Order is send order. Make one with `createSendBatch`.
 */
export interface SendBatch {
  /** Rows to send, from the front; the caller sets it. */
  count: number
  /** The number of rows. */
  readonly capacity: number
  /** Id of the registered slab that holds the datagram. */
  readonly slab: Int32Array
  /** Where in its slab the datagram begins. */
  readonly offset: Int32Array
  /**
   * Bytes without the tag. A sealer that seals in place writes its tag after them, so the slab needs room for it there.
   */
  readonly length: Int32Array
  /** Id from {@link Transport.internAddress}. */
  readonly address: Int32Array
  /** Id from {@link Transport.registerSealer}; 0: no tag. */
  readonly sealer: Int32Array
  /** Its mark, one of {@link ECN}; without the capability `ecn` it doesn't count. */
  readonly ecn: Uint8Array
}

/** Received datagrams: valid during the call of the receive function, overwritten after it. */
export interface ReceiveBatch {
  /** Rows received, from the front. */
  readonly count: number
  /** The bytes of each slab id. */
  readonly slabs: readonly Uint8Array[]
  /** The slab that holds the datagram: an index of `slabs`. */
  readonly slab: Int32Array
  /** Where in its slab the datagram begins. */
  readonly offset: Int32Array
  /** Bytes, the tag included. */
  readonly length: Int32Array
  /** Id of the source. Valid during the call; `retainAddress` keeps it longer. */
  readonly address: Int32Array
  /**
   * Filled in by the receiver before it calls {@link Transport.open}: the sealer that checks the tag; 0 (as delivered):
   * don't open.
   */
  readonly opener: Int32Array
  /** Filled in by {@link Transport.open}: 1 = genuine, 0 = not genuine, or not opened. */
  readonly verdict: Uint8Array
  /** The mark that it came with, one of {@link ECN}; 0 without the capability `ecn`. */
  readonly ecn: Uint8Array
}

/**
 * Adds and checks tags. The protocol supplies it, so the transport needs to know no wire format. A native transport
 * that understands the `parameters` does the same work itself, with one call for a batch.
 */
export interface Sealer {
  /** Bytes of a tag, at most 64. */
  readonly tagBytes: number
  /**
   * Seals `slab[offset, offset + length)` and writes it, followed by the tag, to `out` from `at` on. Unless the sealer
   * is {@link Sealer.isOutOfPlace}, `out` is the slab itself and `at` the offset.
   */
  seal(slab: Uint8Array, offset: number, length: number, out: Uint8Array, at: number): void
  /** Whether `slab[offset, offset + length)`, the tag included, is genuine. May decrypt in place. */
  open(slab: Uint8Array, offset: number, length: number): boolean
  /**
   * Set where sealing changes bytes that may be sent again in another datagram: the sealed bytes go to the transport's
   * own memory, and the slab needs no room for the tag.
   */
  readonly isOutOfPlace?: boolean
  /** The algorithm, for a transport that can seal by itself. */
  readonly parameters?: SealerParameters
}

/** The algorithms that a native transport can seal and open with by itself. */
export type SealerParameters =
  | {
      /** CRC-32C (Castagnoli), in place, with a tag of 4 bytes, the least significant first. */
      readonly algorithm: "crc32c"
      /** The start value of the checksum of a sent datagram, 32 bits. */
      readonly sealSeed: number
      /** The start value of the checksum of a received datagram, 32 bits. */
      readonly openSeed: number
    }
  | {
      /** Out of place, with a tag of 16 bytes. */
      readonly algorithm: "aes-256-gcm"
      /** 32 bytes. */
      readonly key: Uint8Array
      /**
       * 12 bytes. The nonce is these, with the datagram's counter XORed into the last six, most significant byte first.
       */
      readonly iv: Uint8Array
      /** Where the counter is in the datagram: six bytes, the least significant first. */
      readonly counterOffset: number
      /** The associated data: these bytes, followed by the bytes of the datagram that are sent in clear. */
      readonly associated: Uint8Array
      /** Bytes from the start of the datagram that are sent in clear; `Infinity`: all, nothing is encrypted. */
      readonly clearBytes: number
    }

/** The names under which failed socket calls are counted; `other` holds the rest. */
export const SOCKET_ERRORS = [
  "EMSGSIZE",
  "ENOBUFS",
  "EAGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ENETDOWN",
  "EPERM",
  "EACCES",
  "EINVAL",
  "EADDRNOTAVAIL",
  "other",
] as const
/** One of {@link SOCKET_ERRORS}. */
export type SocketErrorCode = (typeof SOCKET_ERRORS)[number]

/** A failed socket call. A datagram counts as lost; the failure of a call has no other effect by itself. */
export interface SocketError {
  /** The system's name of the failure, `"EMSGSIZE"`. */
  readonly code: SocketErrorCode
  /**
   * What failed: to send a datagram, to receive, or the socket itself: it moves nothing any more, and was closed.
   * {@link Transport.rebind} opens others; until then its family has none.
   */
  readonly operation: "send" | "receive" | "socket"
  /** The destination of a failed send, otherwise 0. Valid during the call. */
  readonly address: number
  /** Bytes of the datagram that failed, the tag included, otherwise 0. */
  readonly bytes: number
  /** The system's error. */
  readonly cause: unknown
}

/** What a transport has moved and lost since it was bound. Bytes are of UDP payload, tags included. */
export interface TransportCounters {
  /** Datagrams handed to a socket. A failed send counts here and among the errors. */
  readonly datagramsSent: number
  /** Bytes of the datagrams handed to a socket. */
  readonly bytesSent: number
  /** Datagrams handed to the receive function. */
  readonly datagramsReceived: number
  /** Bytes of the datagrams handed to the receive function. */
  readonly bytesReceived: number
  /** Datagrams that no socket of this transport could carry: wrong family, or closed. */
  readonly datagramsUnsendable: number
  /**
   * Received datagrams that were dropped: their source can't be answered (port 0), or a simulated receive buffer was
   * full. A real buffer doesn't report that.
   */
  readonly datagramsDropped: number
  /** Failed socket calls, by name. */
  readonly errors: Readonly<Record<SocketErrorCode, number>>
}

/**
 * Datagrams in and out, in batches. Nothing here throws because of the network. Close it with `close()` or `await
 * using`.
 */
export interface Transport extends AsyncDisposable {
  /** What it can do, as bound. */
  readonly capabilities: Capabilities
  /** Where the sockets are bound, one for each family. */
  readonly localAddresses: readonly Address[]
  /** Its counters: always the same object, which goes on counting. */
  readonly counters: TransportCounters

  /** Registers `bytes` as a slab to send from. Ids are small integers ≥ 1. */
  registerSlab(bytes: Uint8Array): number
  /** Releases a slab; its id is used again. Throws `RangeError` for an id that isn't registered. */
  releaseSlab(slab: number): void

  /**
   * The id (≥ 1) of an address, with one more reference: it is kept until it has been released as often as interned or
   * retained. Throws `RangeError` for a host that is no literal address.
   */
  internAddress(address: Address): number
  /** Adds a reference to an id. */
  retainAddress(address: number): void
  /** Removes a reference; an id without references is forgotten. Throws `RangeError` for an id that had none. */
  releaseAddress(address: number): void
  /** The address of an id. Throws `RangeError` for an unknown id. */
  addressOf(address: number): Address

  /** Registers a sealer. Ids are small integers ≥ 1. */
  registerSealer(sealer: Sealer): number
  /** Releases a sealer; its id is used again. Throws `RangeError` for an id that isn't registered. */
  releaseSealer(sealer: number): void

  /**
   * Seals and sends rows from the front of the batch; returns how many were taken. On return the caller may use their
   * bytes again. Fewer than `count`: the socket is full, try again after `onWritable`. Throws `RangeError` for an id
   * that isn't registered and for a row that extends beyond its slab.
   */
  send(batch: SendBatch): number
  /** Checks the tags of all rows of a received batch whose `opener` is set. */
  open(batch: ReceiveBatch): void

  /**
   * Sets the function to call with received datagrams. There is one function of each kind, for this and the next two:
   * the last one set. They may call the transport. What they throw surfaces once, as an uncaught exception of the
   * program or from the call that lets simulated time pass.
   */
  onReceive(receive: (batch: ReceiveBatch) => void): void
  /**
   * Sets the function to call when a full socket takes datagrams again: the rows that `send` didn't take can be sent.
   */
  onWritable(writable: () => void): void
  /** Sets the function to call when a system call fails: within `send` if the failure is known at once. */
  onError(error: (error: SocketError) => void): void

  /**
   * Opens other sockets, by the options that it was bound with and these, and closes those before. Ids, functions and
   * counters stay; what wasn't read yet is lost. A port that was asked for stays, unless another program has taken it
   * meanwhile; then any free one is taken. Call it once at a time. Rejects like `Host.bind`: the sockets before stay
   * open, or, if they had to be closed for their port, nothing is sent until a later call succeeds.
   */
  rebind?(options?: BindOptions): Promise<void>

  /**
   * The sockets keep the program alive, as they do at first. `ref` and `unref` may be called in any order, repeatedly,
   * and after `close`; a transport that can't keep a program alive has neither.
   */
  ref?(): void
  /** The sockets don't keep the program alive. May be called at any time, repeatedly, and after `close`. */
  unref?(): void

  /**
   * Closes the sockets. Always settles; a second call returns the same promise. Afterwards `send` takes rows and counts
   * them as unsendable, and nothing is received.
   */
  close(): Promise<void>
}

const checkArgument = new Checks((message) => new RangeError(message))
const CAPACITY = whole(0, 2 ** 24)

/** A batch of `capacity` empty rows. Throws `RangeError` for an invalid capacity. */
export function createSendBatch(capacity: number): SendBatch {
  checkArgument.value("capacity", capacity, CAPACITY)
  const column = (): Int32Array => new Int32Array(capacity)
  return {
    ...{ count: 0, capacity, slab: column(), offset: column(), length: column(), address: column(), sealer: column() },
    ecn: new Uint8Array(capacity),
  }
}
