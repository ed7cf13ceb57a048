/**
 * Datagrams in batches: one system call moves many, and with segmentation offload many pass through the kernel's
 * network stack as one.
 *
 * @module
 */

import { markAsUntransferable } from "node:worker_threads"
import type { Binding, ChannelHandle } from "./binding.ts"

/** The most datagrams that one call sends; more take several calls. */
export const SEND_ROWS_MAX = 64
/**
 * The most datagrams in one received batch: 8 reads of up to 64 KiB, each of at most 128 datagrams (`c/udp_batch.h`).
 */
export const RECEIVE_ROWS_MAX = 1_024
/** Bytes of the memory that datagrams are received in. */
export const RECEIVE_SLAB_BYTES = 524_288

/** More bytes than any datagram has. */
const CLEAR_BYTES_MAX = 0x7fff_ffff

const REPORT_HEADER = 3
const REPORT_LENGTH = REPORT_HEADER + 3 * SEND_ROWS_MAX
const RECEIVED = 0
const WRITABLE = 1

/** Datagrams to send: parallel columns, a row for each. */
export interface SendRows {
  /** Number of a slab given by {@link Channel.setSlab}. */
  readonly slab: Int32Array
  /** Where in the slab the datagram begins. */
  readonly offset: Int32Array
  /** Bytes without the tag. If the row's sealer is a checksum, four more bytes of the slab must be free for it. */
  readonly length: Int32Array
  /** Number of an address given by {@link Channel.setAddress}. */
  readonly address: Int32Array
  /** Number of a sealer given by {@link Channel.setSealer}; 0: no tag. */
  readonly sealer: Int32Array
  /**
   * The two bits of ECN (RFC 3168 §5): 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE; higher bits don't count. Where the system
   * takes no marks, the datagram goes without.
   */
  readonly ecn: Uint8Array
}

/** Received datagrams: valid during the call of {@link ChannelListener.received}. */
export interface ReceivedRows {
  /** The memory that holds all of them, {@link RECEIVE_SLAB_BYTES}. */
  readonly slab: Uint8Array
  /** Where in the slab each begins. */
  readonly offset: Int32Array
  /** Bytes of each, the tag included. */
  readonly length: Int32Array
  /** Number of the source's address; 0: it has no number, see {@link Channel.sourceOf}. */
  readonly address: Int32Array
  /** Number of the sealer that checks the tag, to fill in before {@link Channel.open}; 0: none. */
  readonly opener: Int32Array
  /** 1: the tag is right. */
  readonly verdict: Uint8Array
  /** The two bits of ECN that each came with, as in {@link SendRows.ecn}; 0 where they can't be read. */
  readonly ecn: Uint8Array
}

/** A key of {@link Channel.setKey}. */
export interface SealingKey {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** 12 bytes. The nonce is these, with the counter XORed into the last six, most significant byte first. */
  readonly iv: Uint8Array
  /** At most 64 bytes. The associated data are these, followed by the bytes of the datagram that stay in clear. */
  readonly associated: Uint8Array
  /** Where the counter is in a datagram: six bytes, the least significant first. */
  readonly counterOffset: number
  /** Bytes of a datagram that stay in clear; `Infinity`: all. */
  readonly clearBytes: number
}

/** The result of one {@link Channel.send}. */
export interface SendReport {
  /** Bytes of the rows taken, tags included. */
  bytes: number
  /** Rows of a family without a socket: taken and lost. */
  unsendable: number
  /** Rows that the system refused: taken and lost. Three numbers for each: the row, its errno and its bytes. */
  readonly refused: number[]
}

/** Functions that a channel calls. An error they throw is an uncaught exception. */
export interface ChannelListener {
  /** Rows were received. `dropped` more came and were lost: their source can't be answered, or there was no room. */
  received(count: number, dropped: number): void
  /** A socket that was full takes datagrams again. */
  writable(): void
  /**
   * Reading from the socket of a family failed, with this errno. EBADF and EPIPE: it moves nothing any more, and is to be
   * dropped.
   */
  failed(errno: number, family: 4 | 6): void
}

/**
 * Sockets of both families, and the memory they send from and receive in. Close it; until then it keeps the program
 * alive, as a socket does, unless `unref` was called.
 */
export class Channel {
  /** The received datagrams: always the same object. */
  readonly rows: ReceivedRows = {
    slab: new Uint8Array(RECEIVE_SLAB_BYTES),
    offset: new Int32Array(RECEIVE_ROWS_MAX),
    length: new Int32Array(RECEIVE_ROWS_MAX),
    address: new Int32Array(RECEIVE_ROWS_MAX),
    opener: new Int32Array(RECEIVE_ROWS_MAX),
    verdict: new Uint8Array(RECEIVE_ROWS_MAX),
    ecn: new Uint8Array(RECEIVE_ROWS_MAX),
  }
  /** The result of the last {@link Channel.send}. */
  readonly report: SendReport = { bytes: 0, unsendable: 0, refused: [] }
  readonly #binding: Binding
  readonly #listener: ChannelListener
  readonly #handle: ChannelHandle
  readonly #report = new Int32Array(REPORT_LENGTH)
  #isOpen = true

  constructor(binding: Binding, listener: ChannelListener) {
    this.#binding = binding
    this.#listener = listener
    const { slab, offset, length, address, opener, verdict, ecn } = this.rows
    // C keeps pointers into these buffers: if transferred to another thread, they would be freed there.
    for (const { buffer } of [slab, offset, length, address, opener, verdict, ecn]) markAsUntransferable(buffer)
    this.#handle = binding.channelCreate(this.#onEvent, slab, offset, length, address, opener, verdict, ecn)
  }

  /** Whether `close` hasn't been called yet. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /**
   * Takes over a socket of `openSocket`, one of each family, and reads from it. Returns what the socket can do. If it
   * throws, the caller keeps the socket.
   */
  add(
    fd: number,
    family: 4 | 6,
  ): {
    /** Whether the kernel segments what is sent: many datagrams in one call. */
    readonly gso: boolean
    /** Whether the kernel delivers several received datagrams as one. */
    readonly gro: boolean
    /** Whether the kernel tells the marks of received datagrams (ECN), and so is expected to take those of sent ones. */
    readonly ecn: boolean
  } {
    const flags = this.#binding.channelAdd(this.#handle, fd, family)
    return { gso: (flags & 1) !== 0, gro: (flags & 2) !== 0, ecn: (flags & 4) !== 0 }
  }

  /**
   * Looks at the socket of a family: 0, or the errno of one that moves nothing any more, since others in the process have
   * closed it, or it was shut down.
   */
  check(family: 4 | 6): number {
    return this.#binding.channelCheck(this.#handle, family)
  }

  /** Closes the socket of a family, and not what else has its number by now. Repeated, does nothing. */
  drop(family: 4 | 6): void {
    this.#binding.channelDrop(this.#handle, family)
  }

  /**
   * Sets a slab; `null` removes it. From then on the memory can't be transferred to another thread. Numbers are small
   * integers from 1.
   */
  setSlab(number: number, bytes: Uint8Array | null): void {
    if (bytes !== null) markAsUntransferable(bytes.buffer)
    this.#binding.channelSetSlab(this.#handle, number, bytes)
  }

  /** Gives an address a number. `host`: a numeric address. */
  setAddress(number: number, family: 4 | 6, host: string, port: number): void {
    this.#binding.channelSetAddress(this.#handle, number, family, host, port)
  }

  /** Removes the address of a number. */
  clearAddress(number: number): void {
    this.#binding.channelClearAddress(this.#handle, number)
  }

  /**
   * Sets a CRC-32C (Castagnoli) that starts from these seeds, little-endian after the bytes. `undefined` removes a
   * sealer.
   */
  setSealer(number: number, seeds: { readonly sealSeed: number; readonly openSeed: number } | undefined): void {
    const { sealSeed, openSeed } = seeds ?? { sealSeed: 0, openSeed: 0 }
    this.#binding.channelSetSealer(this.#handle, number, seeds !== undefined, sealSeed | 0, openSeed | 0)
  }

  /** Whether {@link Channel.setKey} works: only on a runtime with OpenSSL, as Node has it. */
  get canEncrypt(): boolean {
    return this.#binding.aesGcm
  }

  /**
   * Sets AES-256-GCM with a tag of 16 bytes. It seals to the channel's own memory: rows keep their bytes and need no
   * room for a tag. `setSealer(number, undefined)` removes it and forgets the key.
   */
  setKey(number: number, { key, iv, associated, counterOffset, clearBytes }: SealingKey): void {
    this.#binding.channelSetKey(
      this.#handle,
      number,
      key,
      iv,
      associated,
      counterOffset,
      Math.min(clearBytes, CLEAR_BYTES_MAX),
    )
  }

  /**
   * Seals and sends up to {@link SEND_ROWS_MAX} rows from `from` on; returns how many were taken. Fewer: the socket is
   * full, and `writable` will be called. {@link Channel.report} tells what became of the rows taken. Throws
   * `RangeError` for an unknown number and for a row that extends beyond its slab, before anything is sent.
   */
  send({ slab, offset, length, address, sealer, ecn }: SendRows, from: number, count: number): number {
    const raw = this.#report
    const taken = this.#binding.channelSend(this.#handle, slab, offset, length, address, sealer, ecn, from, count, raw)
    const { report } = this
    report.bytes = raw[1]!
    report.unsendable = raw[2]!
    if (report.refused.length > 0) report.refused.length = 0
    for (let i = 0; i < 3 * raw[0]!; i++) report.refused.push(raw[REPORT_HEADER + i]!)
    return taken
  }

  /** Fills in the verdicts of received rows that name an opener. */
  open(count: number): void {
    this.#binding.channelOpen(this.#handle, count)
  }

  /** The source of a row in the current batch. */
  sourceOf(row: number): {
    /** A numeric address, with a scope where it is link-local. */
    readonly host: string
    /** 0 to 65,535. */
    readonly port: number
  } {
    const text = this.#binding.channelSource(this.#handle, row)
    const space = text.indexOf(" ")
    return { port: Number(text.slice(0, space)), host: text.slice(space + 1) }
  }

  /** "EMSGSIZE"; "other" for an unknown one. */
  errorName(errno: number): string {
    return this.#binding.errorName(errno)
  }

  /** The sockets keep the program alive, as they do at first. Repeated, or after `close`, does nothing. */
  ref(): void {
    if (this.#isOpen) this.#binding.channelRef(this.#handle, true)
  }

  /** The sockets don't keep the program alive. Repeated, or after `close`, does nothing. */
  unref(): void {
    if (this.#isOpen) this.#binding.channelRef(this.#handle, false)
  }

  /** Closes the sockets, at once. Repeated, does nothing. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#binding.channelClose(this.#handle)
  }

  readonly #onEvent = (event: number, value: number, other: number): void => {
    if (event === RECEIVED) this.#listener.received(value, other)
    else if (event === WRITABLE) this.#listener.writable()
    else this.#listener.failed(value, other === 6 ? 6 : 4)
  }
}
