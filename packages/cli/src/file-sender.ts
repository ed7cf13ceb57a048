import { createHash } from "node:crypto"
import { open } from "node:fs/promises"
import { basename } from "node:path"
import type { Endpoint, Message, OutgoingStream, Peer } from "@x/endpoint"
import { CHUNK_BYTES, FILE, UNWRITTEN_BYTES_MAX } from "./file-protocol.ts"

/** The receiver didn't take the file, and says why. */
export class FileRefusedError extends Error {
  override readonly name = "FileRefusedError"
}

export interface SendFileOptions {
  readonly signal?: AbortSignal
  /** Called with the bytes that the receiver has written so far. */
  readonly onProgress?: (written: number, size: number) => void
  /** Name to offer; default: the file's own. */
  readonly name?: string
}

interface Transfer {
  written: number
  isStored: boolean
  refusal: string | undefined
  /** Wakes whoever waits for one of these to change. */
  wake: () => void
}

/** Sends files to peers. One for an endpoint. */
export class FileSender {
  readonly #transfers = new Map<string, Transfer>()

  constructor(endpoint: Endpoint) {
    endpoint.handle(FILE.written, (message) =>
      this.#update(message, (transfer) => (transfer.written = message.view.getFloat64(message.offset + 4))),
    )
    endpoint.handle(FILE.stored, (message) => this.#update(message, (transfer) => (transfer.isStored = true)))
    endpoint.handle(FILE.refused, (message) =>
      this.#update(message, (transfer) => (transfer.refusal = new TextDecoder().decode(message.bytes.subarray(4)))),
    )
    endpoint.on("left", (peer, { text }) => {
      for (const [key, transfer] of this.#transfers)
        if (key.startsWith(peer.unique)) this.#refuse(transfer, `the peer has left${text === "" ? "" : `: ${text}`}`)
    })
  }

  /** Settles when the receiver has stored the file; rejects with `FileRefusedError`, or with what went wrong with file or stream. */
  async send(
    peer: Peer,
    path: string,
    { signal, onProgress, name = basename(path) }: SendFileOptions = {},
  ): Promise<{ readonly bytes: number; readonly sha256: string }> {
    const file = await open(path)
    const stream = peer.open({ label: "file" })
    const transfer: Transfer = { written: 0, isStored: false, refusal: undefined, wake: () => {} }
    const key = `${peer.unique} ${stream.id}`
    this.#transfers.set(key, transfer)
    try {
      const { size } = await file.stat()
      await stream.send(FILE.offer, Buffer.from(JSON.stringify({ name, size })))
      const hash = createHash("sha256")
      const sent = await this.#sendChunks(file, stream, transfer, hash, { signal, onProgress, size })
      const digest = hash.digest()
      await stream.send(FILE.finish, digest)
      await this.#until(transfer, () => transfer.isStored, signal)
      onProgress?.(sent, size)
      await stream.end()
      return { bytes: sent, sha256: digest.toString("hex") }
    } catch (error) {
      stream.reset()
      throw error
    } finally {
      this.#transfers.delete(key)
      await file.close()
    }
  }

  async #sendChunks(
    file: Awaited<ReturnType<typeof open>>,
    stream: OutgoingStream,
    transfer: Transfer,
    hash: ReturnType<typeof createHash>,
    { signal, onProgress, size }: { signal: AbortSignal | undefined; onProgress: SendFileOptions["onProgress"]; size: number },
  ): Promise<number> {
    let sent = 0
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
      const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, sent)
      if (bytesRead === 0) return sent
      const chunk = buffer.subarray(0, bytesRead)
      hash.update(chunk)
      await stream.send(FILE.chunk, chunk, signal === undefined ? {} : { signal })
      sent += bytesRead
      await this.#until(transfer, () => sent - transfer.written < UNWRITTEN_BYTES_MAX, signal)
      onProgress?.(transfer.written, size)
    }
  }

  /** Waits for a condition on what the receiver told. */
  async #until(transfer: Transfer, isTrue: () => boolean, signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      signal?.throwIfAborted()
      if (transfer.refusal !== undefined) throw new FileRefusedError(transfer.refusal)
      if (isTrue()) return
      await new Promise<void>((resolve) => {
        transfer.wake = resolve
        signal?.addEventListener("abort", () => resolve(), { once: true })
      })
    }
  }

  #update(message: Message, change: (transfer: Transfer) => void): void {
    const transfer = this.#transfers.get(`${message.peer.unique} ${message.length >= 4 ? message.view.getUint32(message.offset) : 0}`)
    if (transfer === undefined) return
    change(transfer)
    transfer.wake()
  }

  #refuse(transfer: Transfer, why: string): void {
    transfer.refusal ??= why
    transfer.wake()
  }
}
