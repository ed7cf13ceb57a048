/**
 * Datagrams in and out, in batches: what a host's sockets are to those above.
 *
 * @module
 */

import type { Address } from "./addresses.ts"
import { Checks, whole } from "./check.ts"

/** What this transport on this machine can do. Nothing here is an error: less of it means slower or more careful. */
export interface Capabilities {
  /** The families with an open socket. */
  readonly families: readonly (4 | 6)[]
  /** `true`: DF is set, and a datagram too long for the path is refused (EMSGSIZE) or lost, never cut up. */
  readonly dontFragment: boolean
  /** Segmentation offload on sending: many datagrams pass the network stack as one. */
  readonly gso: boolean
  /** Segmentation offload on receiving. */
  readonly gro: boolean
  /** `true`: one system call moves many datagrams. */
  readonly batch: boolean
  /** The coarseness of `WakeUp`, milliseconds. Work due sooner goes through `Host.defer`. */
  readonly timerMs: number
  /** The longest datagram that can be handed over, bytes of UDP payload. */
  readonly datagramBytesMax: number
  /** SO_RCVBUF in bytes as read back; the smaller of the two sockets'. */
  readonly receiveBufferBytes: number
  /** SO_SNDBUF in bytes as read back; the smaller of the two sockets'. */
  readonly sendBufferBytes: number
  /** One sentence for each thing that is missing or less than asked for, with its cause and cure. */
  readonly notes: readonly string[]
}

/**
 * Datagrams to send: parallel columns of fixed capacity, reused. Order is send order. Make one with `createSendBatch`.
 */
export interface SendBatch {
  /** Rows to send, from the front; the caller sets it. */
  count: number
  /** Rows there are. */
  readonly capacity: number
  /** Id of the registered slab that holds the datagram. */
  readonly slab: Int32Array
  /** Where in its slab the datagram begins. */
  readonly offset: Int32Array
  /**
   * Bytes without the tag; a sealer that seals in place writes its tag behind them, so a slab has that much room there.
   */
  readonly length: Int32Array
  /** Id from {@link Transport.internAddress}. */
  readonly address: Int32Array
  /** Id from {@link Transport.registerSealer}; 0: no tag. */
  readonly sealer: Int32Array
}

/** Datagrams received: valid during the call of the receive function, overwritten after it. */
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
  /** Id of the source. Good during the call; `retainAddress` keeps it longer. */
  readonly address: Int32Array
  /**
   * Filled by the receiver before it calls {@link Transport.open}: the sealer to check the tag with; 0 (as delivered):
   * not to be opened.
   */
  readonly opener: Int32Array
  /** Filled by {@link Transport.open}: 1 = genuine, 0 = not, or not opened. */
  readonly verdict: Uint8Array
}

/**
 * Adds and checks tags. The protocol supplies it, so that the transport knows no wire format; a native transport that
 * finds `parameters` it understands does the same work itself, one call for a batch.
 */
export interface Sealer {
  /** Bytes of a tag, at most 64. */
  readonly tagBytes: number
  /**
   * Writes `slab[offset, offset + length)`, sealed, and the tag behind it to `out` from `at` on. `out` is the slab
   * itself and `at` the offset, unless it is {@link Sealer.isOutOfPlace}.
   */
  seal(slab: Uint8Array, offset: number, length: number, out: Uint8Array, at: number): void
  /** Whether `slab[offset, offset + length)`, the tag included, is genuine. May decrypt in place. */
  open(slab: Uint8Array, offset: number, length: number): boolean
  /**
   * Sealing changes bytes that may be sent again in another datagram: it goes to memory of the transport's, and the
   * slab needs no room for the tag.
   */
  readonly isOutOfPlace?: boolean
  /** What it does, for a transport that can do it itself. */
  readonly parameters?: SealerParameters
}

/** What a native transport seals and opens by itself. */
export type SealerParameters =
  | {
      /** CRC-32C (Castagnoli), in place, with a tag of 4 bytes, the least significant first. */
      readonly algorithm: "crc32c"
      /** What the checksum of a datagram to send goes on from, 32 bits. */
      readonly sealSeed: number
      /** What that of a received one goes on from. */
      readonly openSeed: number
    }
  | {
      /** Out of place, with a tag of 16 bytes. */
      readonly algorithm: "aes-256-gcm"
      /** 32 bytes. */
      readonly key: Uint8Array
      /**
       * 12 bytes; the nonce is these, the last six combined by XOR with the datagram's counter, its most significant
       * byte first.
       */
      readonly iv: Uint8Array
      /** Where the counter is in the datagram: six bytes, the least significant first. */
      readonly counterOffset: number
      /** Associated data are these bytes, and then those of the datagram that are sent in clear. */
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

/** A failed socket call. The datagram counts as lost; nothing else follows from it by itself. */
export interface SocketError {
  /** The system's name of the failure, `"EMSGSIZE"`. */
  readonly code: SocketErrorCode
  /** What failed: to send a datagram, to receive, or the socket itself. */
  readonly operation: "send" | "receive" | "socket"
  /** The destination of a failed send, else 0. Good during the call. */
  readonly address: number
  /** Bytes of the datagram that failed, the tag included, else 0. */
  readonly bytes: number
  /** The system's error. */
  readonly cause: unknown
}

/** What a transport moved and lost, since it was bound. Bytes are of UDP payload, tags included. */
export interface TransportCounters {
  /** Datagrams handed to a socket. A send that failed is among them, and among the errors. */
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
   * Datagrams that came and were dropped: nobody could answer their source (port 0), or a simulated receive buffer was
   * full. A real one doesn't tell.
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
  /** What it can do, as it was bound. */
  readonly capabilities: Capabilities
  /** Where the sockets are bound, one for each family. */
  readonly localAddresses: readonly Address[]
  /** What it did so far: the same object each time, which goes on counting. */
  readonly counters: TransportCounters

  /** Makes `bytes` known as a slab to send from. Ids are small integers ≥ 1. */
  registerSlab(bytes: Uint8Array): number
  /** Forgets a slab; its id is given out again. Throws `RangeError` for an id that isn't registered. */
  releaseSlab(slab: number): void

  /**
   * The id (≥ 1) of an address, held until released as often as interned or retained. Throws `RangeError` for a host
   * that is no literal address.
   */
  internAddress(address: Address): number
  /** Holds an id once more. */
  retainAddress(address: number): void
  /** Holds an id once less; one that nobody holds is forgotten. Throws `RangeError` for one that nobody held. */
  releaseAddress(address: number): void
  /** The address of an id. Throws `RangeError` for an id that isn't known. */
  addressOf(address: number): Address

  /** Makes a sealer known. Ids are small integers ≥ 1. */
  registerSealer(sealer: Sealer): number
  /** Forgets a sealer; its id is given out again. Throws `RangeError` for an id that isn't registered. */
  releaseSealer(sealer: number): void

  /**
   * Seals and sends from the front of the batch; answers how many were taken. Their bytes are the caller's again on
   * return. Fewer than `count`: the socket is full, try after `onWritable`. Throws `RangeError` for an id that isn't
   * registered and for a row that reaches out of its slab.
   */
  send(batch: SendBatch): number
  /** Checks the tags of all entries of a received batch whose `opener` is set. */
  open(batch: ReceiveBatch): void

  /**
   * The function to call with what was received. Of this and of the next two there is at most one each: the last one
   * given. They may call the transport. What they throw surfaces once, as an uncaught exception of the program or from
   * the call that lets simulated time pass.
   */
  onReceive(receive: (batch: ReceiveBatch) => void): void
  /** The function to call when a socket that was full takes datagrams again: what `send` didn't take can be sent. */
  onWritable(writable: () => void): void
  /** The function to call when a call of the system fails: within `send` where that is known at once. */
  onError(error: (error: SocketError) => void): void

  /**
   * The sockets keep the program alive, as they do at first. In any order, again, and after `close`; a transport that
   * can't keep one alive has neither.
   */
  ref?(): void
  /** The sockets don't keep the program alive. In any order, again, and after `close`. */
  unref?(): void

  /**
   * Closes the sockets. Always settles; a second call returns the same promise. Afterwards `send` takes and counts, and
   * nothing is received.
   */
  close(): Promise<void>
}

const checkArgument = new Checks((message) => new RangeError(message))
const CAPACITY = whole(0, 2 ** 24)

/** A batch of `capacity` empty rows. Throws `RangeError` for a capacity that is none. */
export function createSendBatch(capacity: number): SendBatch {
  checkArgument.value("capacity", capacity, CAPACITY)
  const column = (): Int32Array => new Int32Array(capacity)
  return { count: 0, capacity, slab: column(), offset: column(), length: column(), address: column(), sealer: column() }
}
