import { createHash, type Hash } from "node:crypto"
import { type FileHandle, open } from "node:fs/promises"
import { basename } from "node:path"
import type { Endpoint, Message, OutgoingStream, Peer } from "@x/endpoint"
import { CHUNK_BYTES, encodeOffer, FILE, parseReply, UNWRITTEN_BYTES_MAX } from "./file-protocol.ts"
import { TransferError } from "./transfer-error.ts"

export interface SendFileOptions {
  readonly signal?: AbortSignal
  /** Called with the bytes that the receiver has written so far. */
  readonly onProgress?: (written: number, size: number) => void
  /** Name to offer; default: the file's own. */
  readonly name?: string
}

export interface SentFile {
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

/** Sends files to peers. One for an endpoint. */
export class FileSender {
  /** By peer, and the id of the file's stream. */
  readonly #files = new Map<Peer, Map<number, OutgoingFile>>()

  constructor(endpoint: Endpoint) {
    for (const type of [FILE.written, FILE.stored, FILE.refused]) endpoint.handle(type, (message) => this.#handleReply(message))
    endpoint.on("left", (peer, { text }) => {
      const error = new TransferError(
        "peer-left",
        `the receiver left before it had stored the file${text === "" ? "" : ` (${text})`}; send it again`,
      )
      for (const file of this.#files.get(peer)?.values() ?? []) file.fail(error)
    })
  }

  /** Settles when the receiver has stored the file; rejects with a `TransferError`, or with what went wrong with the file or the stream. */
  async send(peer: Peer, path: string, { signal, onProgress = () => {}, name = basename(path) }: SendFileOptions = {}): Promise<SentFile> {
    signal?.throwIfAborted()
    const source = await open(path)
    try {
      const status = await source.stat()
      if (!status.isFile()) throw new TransferError("not-a-file", `"${path}" is no plain file; name one, or pack the folder first`)
      return await this.#send(peer, source, path, { name, size: status.size }, signal, onProgress)
    } finally {
      await source.close()
    }
  }

  async #send(
    peer: Peer,
    source: FileHandle,
    path: string,
    { name, size }: { readonly name: string; readonly size: number },
    signal: AbortSignal | undefined,
    onProgress: (written: number, size: number) => void,
  ): Promise<SentFile> {
    const stream = peer.open({ label: "file" })
    const file = new OutgoingFile((written) => onProgress(written, size))
    this.#add(peer, stream.id, file)
    const abort = (): void => file.fail(signal!.reason)
    signal?.addEventListener("abort", abort, { once: true })
    try {
      await stream.send(FILE.offer, encodeOffer({ name, size }), { signal: file.signal })
      await file.until(() => file.isAccepted)
      const hash = createHash("sha256")
      await sendChunks(source, size, stream, file, hash).catch((error: unknown) => {
        throw error instanceof TransferError && error.code === "file-changed"
          ? new TransferError(error.code, `"${path}" ${error.message}`)
          : error
      })
      const digest = hash.digest()
      await stream.send(FILE.finish, digest, { signal: file.signal })
      await file.until(() => file.isStored)
      // What it still has to say, closing the endpoint waits for.
      void stream.end().catch(() => {})
      return { bytes: size, sha256: digest.toString("hex") }
    } catch (error) {
      stream.reset()
      // Why the stream broke is said by the peer, if it said so.
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

/** Reads and sends the whole file, at most `UNWRITTEN_BYTES_MAX` ahead of the receiver's disk. */
async function sendChunks(source: FileHandle, size: number, stream: OutgoingStream, file: OutgoingFile, hash: Hash): Promise<void> {
  while (file.sent < size) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - file.sent))
    await readWhole(source, chunk, file.sent)
    hash.update(chunk)
    await file.until(() => file.sent + chunk.length - file.written <= UNWRITTEN_BYTES_MAX)
    file.sent += chunk.length
    await stream.send(FILE.chunk, chunk, { signal: file.signal })
  }
  const { size: sizeNow } = await source.stat()
  if (sizeNow !== size) throw new TransferError("file-changed", "grew or shrank while it was read; send it again when it is at rest")
}

async function readWhole(source: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesRead } = await source.read(bytes, at, bytes.length - at, position + at)
    if (bytesRead === 0) throw new TransferError("file-changed", "became shorter while it was read; send it again when it is at rest")
    at += bytesRead
  }
}

/** One file on its way: what the receiver said of it, and who waits for that. */
class OutgoingFile {
  /** Bytes handed to the stream. */
  sent = 0
  written = 0
  isAccepted = false
  isStored = false
  error: Error | undefined
  readonly #onProgress: (written: number) => void
  readonly #failed = new AbortController()
  #wake: () => void = () => {}

  constructor(onProgress: (written: number) => void) {
    this.#onProgress = onProgress
  }

  /** Aborts what is being sent when the transfer has failed: the window may never open again. */
  get signal(): AbortSignal {
    return this.#failed.signal
  }

  progress(written: number): void {
    if (written < this.written || written > this.sent) return
    this.isAccepted = true
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

  /** Waits for a condition on the above; rejects when the transfer failed. */
  async until(isTrue: () => boolean): Promise<void> {
    for (;;) {
      if (this.error !== undefined) throw this.error
      if (isTrue()) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
