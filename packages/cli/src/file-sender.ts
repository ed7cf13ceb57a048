import { createHash, type Hash } from "node:crypto"
import type { Stats } from "node:fs"
import { type FileHandle, open } from "node:fs/promises"
import { basename } from "node:path"
import type { Endpoint, Message, OutgoingStream, Peer } from "@x/endpoint"
import {
  CHUNK_BYTES,
  encodeOffer,
  FILE,
  GOES_ON,
  parseReply,
  RESUME_BYTES_MIN,
  UNWRITTEN_BYTES_MAX,
} from "./file-protocol.ts"
import { TransferError } from "./transfer-error.ts"

export interface SendFileOptions {
  readonly signal?: AbortSignal
  /**
   * Called with the bytes that the receiver has written so far. In the first call these are the bytes it had kept from
   * before.
   */
  readonly onProgress?: (written: number, size: number | undefined) => void
  /** Name to offer; default: the file's own. */
  readonly name?: string
}

export interface SentFile {
  readonly bytes: number
  /** How many of these bytes the receiver had kept from an earlier, interrupted transfer. */
  readonly kept: number
  /** Hexadecimal. */
  readonly sha256: string
}

/** Where the bytes of a file come from. */
interface Source {
  readonly name: string
  readonly size: number | undefined
  /**
   * The bytes at a position: {@link CHUNK_BYTES}, or the rest; none at the end. Without a size the calls must read in
   * sequence.
   */
  read(position: number): Promise<Uint8Array>
  /** Rejects if the bytes read aren't those of the file. */
  check(): Promise<void>
}

/** Sends files to peers. One for an endpoint. */
export class FileSender {
  /** By peer, then by the id of the file's stream. */
  readonly #files = new Map<Peer, Map<number, OutgoingFile>>()

  constructor(endpoint: Endpoint) {
    for (const type of [FILE.written, FILE.kept, FILE.stored, FILE.refused])
      endpoint.handle(type, (message) => this.#handleReply(message))
    endpoint.on("left", (peer, { text }) => {
      const why = `the receiver left before it had stored the file${text === "" ? "" : ` (${text})`}`
      for (const file of this.#files.get(peer)?.values() ?? [])
        file.fail(new TransferError("peer-left", `${why}; ${remedyOf(file.size, file.written)}`))
    })
  }

  /**
   * Settles when the receiver has stored the file; rejects with a `TransferError`, or with an error of the file or the
   * stream. Resumes the same file if it was interrupted before.
   */
  async send(peer: Peer, path: string, options: SendFileOptions = {}): Promise<SentFile> {
    options.signal?.throwIfAborted()
    const file = await open(path)
    try {
      const status = await file.stat()
      if (!status.isFile()) throw new TransferError("not-a-file", notAFile(path, status))
      return await this.#send(peer, fileSource(file, path, options.name ?? basename(path), status.size), options)
    } finally {
      await file.close()
    }
  }

  /** Sends the bytes of a pipe, under a name. Settles as `send` does. */
  async sendFrom(
    peer: Peer,
    chunks: AsyncIterable<Uint8Array>,
    name: string,
    options: SendFileOptions = {},
  ): Promise<SentFile> {
    options.signal?.throwIfAborted()
    return this.#send(peer, pipeSource(chunks, name), options)
  }

  async #send(peer: Peer, source: Source, { signal, onProgress = () => {} }: SendFileOptions): Promise<SentFile> {
    const { name, size } = source
    const stream = peer.open({ label: "file" })
    const canResume = isResumable(size)
    const file = new OutgoingFile(size, (written) => onProgress(written, size))
    this.#add(peer, stream.id, file)
    const abort = (): void => file.fail(signal!.reason)
    signal?.addEventListener("abort", abort, { once: true })
    try {
      await stream.send(FILE.offer, encodeOffer({ name, size, canResume }), { signal: file.signal })
      const hash = await agree(source, stream, file)
      const kept = file.sent
      await sendChunks(source, stream, file, hash)
      const digest = hash.digest()
      await stream.send(FILE.finish, digest, { signal: file.signal })
      await file.until(() => file.isStored)
      // Closing the endpoint waits for the stream's last packets.
      void stream.end().catch(() => {})
      return { bytes: file.sent, kept, sha256: digest.toString("hex") }
    } catch (error) {
      stream.reset()
      // The peer's reason why the stream broke, if it gave one.
      throw file.error ?? error
    } finally {
      signal?.removeEventListener("abort", abort)
      this.#remove(peer, stream.id)
    }
  }

  #handleReply(message: Message): void {
    const reply = parseReply(message.type, message.bytes)
    const file = reply && this.#files.get(message.peer)?.get(reply.stream)
    if (reply === undefined || file === undefined) return
    if (reply.type === FILE.written) file.progress(reply.written)
    else if (reply.type === FILE.kept) file.offerKept(reply.kept)
    else if (reply.type === FILE.stored) file.stored()
    else file.fail(new TransferError(reply.refusal, reply.why))
  }

  #add(peer: Peer, stream: number, file: OutgoingFile): void {
    const files = this.#files.get(peer) ?? new Map<number, OutgoingFile>()
    this.#files.set(peer, files)
    files.set(stream, file)
  }

  #remove(peer: Peer, stream: number): void {
    const files = this.#files.get(peer)
    files?.delete(stream)
    if (files?.size === 0) this.#files.delete(peer)
  }
}

/** Waits until the receiver asks for the chunks; returns the hash of the bytes before them. */
async function agree(source: Source, stream: OutgoingStream, file: OutgoingFile): Promise<Hash> {
  await file.until(() => file.isAccepted || file.kept > 0)
  const hash = createHash("sha256")
  if (file.isAccepted) return hash
  for (let at = 0; at < file.kept; at += CHUNK_BYTES) {
    await file.until(() => true)
    hash.update(await source.read(at))
  }
  await stream.send(FILE.prefix, hash.copy().digest(), { signal: file.signal })
  await file.until(() => file.isAccepted)
  return file.sent === 0 ? createHash("sha256") : hash
}

/** Reads and sends the rest of the file, at most `UNWRITTEN_BYTES_MAX` ahead of the receiver's disk. */
async function sendChunks(source: Source, stream: OutgoingStream, file: OutgoingFile, hash: Hash): Promise<void> {
  while (file.sent !== source.size) {
    const chunk = await file.orFailed(source.read(file.sent))
    if (chunk.length === 0) break
    hash.update(chunk)
    await file.until(() => file.sent + chunk.length - file.written <= UNWRITTEN_BYTES_MAX)
    file.sent += chunk.length
    await stream.send(FILE.chunk, chunk, { signal: file.signal })
  }
  await source.check()
}

function fileSource(file: FileHandle, path: string, name: string, size: number): Source {
  const changed = (how: string): TransferError =>
    new TransferError("file-changed", `"${path}" ${how}; send it again when it no longer changes`)
  return {
    name,
    size,
    async read(position) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - position))
      for (let at = 0; at < chunk.length;) {
        const { bytesRead } = await file.read(chunk, at, chunk.length - at, position + at)
        if (bytesRead === 0) throw changed("became shorter while it was read")
        at += bytesRead
      }
      return chunk
    },
    async check() {
      const { size: sizeNow } = await file.stat()
      if (sizeNow !== size) throw changed("grew or shrank while it was read")
    },
  }
}

/** Cuts chunks to size: a pipe delivers pieces of any length. */
function pipeSource(pipe: AsyncIterable<Uint8Array>, name: string): Source {
  const pieces = pipe[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)
  return {
    name,
    size: undefined,
    async read() {
      while (rest.length === 0) {
        const { done, value } = await pieces.next()
        if (done === true) return rest
        rest = value
      }
      const chunk = rest.subarray(0, CHUNK_BYTES)
      rest = rest.subarray(chunk.length)
      return chunk
    },
    check: async () => {},
  }
}

/** Whether a receiver keeps what came of a file of this many bytes, so that it goes on; `undefined`: nobody knows. */
function isResumable(size: number | undefined): size is number {
  return size !== undefined && size >= RESUME_BYTES_MIN
}

/** What to do about a file that was interrupted when the receiver had written this many of its bytes. */
export function remedyOf(size: number | undefined, written: number): string {
  return isResumable(size) && written >= CHUNK_BYTES ? GOES_ON : "send it again"
}

/** Why a path can't be sent, and the remedy. */
export function notAFile(path: string, status: Pick<Stats, "isDirectory">): string {
  return status.isDirectory()
    ? `"${path}" is a folder; send its files, or all of it as one: tar c "${path}" | x send - HOST:PORT --name NAME.tar`
    : `"${path}" is no plain file; send what comes from it as one: x send - HOST:PORT --name NAME < "${path}"`
}

/** One file on its way: the receiver's messages about it, and the waits for them. */
class OutgoingFile {
  /** Bytes given to the stream, plus the bytes before them that the receiver had kept. */
  sent = 0
  /** Bytes that the receiver says it kept of a file of this name. */
  kept = 0
  written = 0
  isAccepted = false
  isStored = false
  error: Error | undefined
  readonly size: number | undefined
  readonly #onProgress: (written: number) => void
  readonly #failed = new AbortController()
  #wake: () => void = () => {}

  /** `size`: bytes, if they are known. */
  constructor(size: number | undefined, onProgress: (written: number) => void) {
    this.size = size
    this.#onProgress = onProgress
  }

  /** Aborts the current send when the transfer fails: the window may never open again. */
  get signal(): AbortSignal {
    return this.#failed.signal
  }

  offerKept(bytes: number): void {
    const bytesMax = isResumable(this.size) ? this.size : 0
    if (this.isAccepted || this.kept > 0 || bytes % CHUNK_BYTES !== 0 || bytes > bytesMax) return
    this.kept = bytes
    this.#wake()
  }

  progress(written: number): void {
    if (!this.isAccepted) {
      if (written !== 0 && written !== this.kept) return
      this.isAccepted = true
      this.sent = written
    } else if (written < this.written || written > this.sent) return
    this.written = written
    this.#onProgress(written)
    this.#wake()
  }

  stored(): void {
    this.isStored = true
    this.#wake()
  }

  /** The first reason counts. */
  fail(error: Error): void {
    this.error ??= error
    this.#failed.abort(error)
    this.#wake()
  }

  /** Waits for a promise that may never settle; rejects as soon as the transfer fails. */
  orFailed<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = (): void => reject(this.error!)
      this.signal.addEventListener("abort", fail, { once: true })
      promise.then(resolve, reject).finally(() => this.signal.removeEventListener("abort", fail))
      if (this.error !== undefined) fail()
    })
  }

  /** Waits for a condition on the fields above; rejects when the transfer fails. */
  async until(isTrue: () => boolean): Promise<void> {
    for (;;) {
      if (this.error !== undefined) throw this.error
      if (isTrue()) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
