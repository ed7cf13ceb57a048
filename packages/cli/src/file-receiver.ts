import { createHash, type Hash, randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { access, type FileHandle, link, open, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import type { Endpoint, IncomingStream, Message, OutgoingStream, Peer } from "@x/endpoint"
import { nameProblem } from "./file-name.ts"
import { encodeReply, encodeWritten, FILE, parseOffer } from "./file-protocol.ts"

export interface FileReceiverOptions {
  /** Where files go. */
  readonly dir: string
  /** Replace files that are there; default: refuse. */
  readonly overwrite?: boolean
  readonly onOffer?: (file: ReceivedFile) => void
  readonly onStored?: (file: ReceivedFile) => void
  readonly onFailed?: (file: ReceivedFile, why: string) => void
}

export interface ReceivedFile {
  readonly name: string
  readonly size: number
  readonly received: number
  readonly peer: Peer
}

/** Takes the files that peers send. One appears under its name only when it is whole and its SHA-256 agrees. */
export class FileReceiver {
  readonly #options: FileReceiverOptions
  readonly #incoming = new Map<IncomingStream, IncomingFile>()
  readonly #replies = new WeakMap<Peer, OutgoingStream>()

  constructor(endpoint: Endpoint, options: FileReceiverOptions) {
    this.#options = options
    endpoint.handle(FILE.offer, (message) => this.#offer(message))
    endpoint.handle(FILE.chunk, (message) => this.#incoming.get(message.stream)?.chunk(message.copy()))
    endpoint.handle(FILE.finish, (message) => this.#incoming.get(message.stream)?.finish(message.copy()))
  }

  /** Files under way. */
  get count(): number {
    return this.#incoming.size
  }

  /** Settles when no file is under way and no temporary one is left. */
  async idle(): Promise<void> {
    await Promise.all([...this.#incoming.values()].map((file) => file.done))
  }

  #offer(message: Message): void {
    const { peer, stream } = message
    const replies = this.#repliesTo(peer)
    const offer = parseOffer(message.bytes)
    const problem = offer === undefined ? "the offer can't be read" : nameProblem(offer.name)
    if (offer === undefined || problem !== undefined || this.#incoming.has(stream)) {
      replies.trySend(FILE.refused, encodeReply(stream.id, Buffer.from(`the name was refused: ${problem ?? "offered twice"}`)))
      return
    }
    const file = new IncomingFile(offer.name, offer.size, peer, stream, replies, this.#options)
    this.#incoming.set(stream, file)
    this.#options.onOffer?.(file)
    void file.done.then(() => this.#incoming.delete(stream))
  }

  #repliesTo(peer: Peer): OutgoingStream {
    let stream = this.#replies.get(peer)
    if (stream === undefined || stream.state !== "open") this.#replies.set(peer, (stream = peer.open({ label: "file replies" })))
    return stream
  }
}

class IncomingFile implements ReceivedFile {
  readonly name: string
  readonly size: number
  readonly peer: Peer
  /** Settles when the file is stored, or nothing of it is left. Never rejects. */
  readonly done: Promise<void>
  received = 0
  readonly #stream: IncomingStream
  readonly #replies: OutgoingStream
  readonly #options: FileReceiverOptions
  readonly #temporary: string
  readonly #hash: Hash = createHash("sha256")
  #file: FileHandle | undefined
  #settle!: () => void
  /** Disk work, one after the other. */
  #work: Promise<void>
  #isOver = false

  constructor(name: string, size: number, peer: Peer, stream: IncomingStream, replies: OutgoingStream, options: FileReceiverOptions) {
    this.name = name
    this.size = size
    this.peer = peer
    this.#stream = stream
    this.#replies = replies
    this.#options = options
    this.#temporary = join(options.dir, `.${name.slice(0, 100)}.${randomBytes(6).toString("hex")}.x-part`)
    this.done = new Promise((resolve) => (this.#settle = resolve))
    this.#work = this.#begin().catch((error: Error) => this.#fail(`it can't be stored: ${error.message}`))
    // The stream closes when the sender goes away, by itself or with its process.
    void stream.closed.then(({ isComplete }) =>
      this.#then(() =>
        isComplete ? this.#fail("the transfer ended before the file was whole") : this.#fail("the transfer was interrupted"),
      ),
    )
  }

  chunk(bytes: Uint8Array): void {
    if (this.#isOver) return
    this.received += bytes.length
    if (this.received > this.size) return this.#then(() => this.#fail("more bytes came than were offered"))
    this.#hash.update(bytes)
    const written = this.received
    this.#then(async () => {
      await this.#file!.write(bytes)
      this.#replies.trySend(FILE.written, encodeWritten(this.#stream.id, written))
    })
  }

  finish(digest: Uint8Array): void {
    this.#then(async () => {
      if (this.received !== this.size) return this.#fail(`${this.received} of ${this.size} bytes came`)
      if (!this.#hash.digest().equals(digest)) return this.#fail("its SHA-256 doesn't agree")
      await this.#store()
    })
  }

  async #begin(): Promise<void> {
    if (this.#options.overwrite !== true && (await this.#exists()))
      return this.#fail("a file of that name is there; the listener has to be started with --overwrite")
    this.#file = await open(this.#temporary, "wx")
  }

  #exists(): Promise<boolean> {
    return access(join(this.#options.dir, this.name), constants.F_OK).then(
      () => true,
      () => false,
    )
  }

  #then(step: () => Promise<void>): void {
    this.#work = this.#work
      .then(async () => {
        if (!this.#isOver) await step()
      })
      .catch((error: Error) => this.#fail(`it can't be stored: ${error.message}`))
  }

  async #store(): Promise<void> {
    await this.#file!.sync()
    await this.#file!.close()
    this.#file = undefined
    const path = join(this.#options.dir, this.name)
    if (this.#options.overwrite === true) await rename(this.#temporary, path)
    else {
      // Unlike a rename, a link fails when the name was taken meanwhile.
      await link(this.#temporary, path)
      await unlink(this.#temporary)
    }
    this.#isOver = true
    this.#replies.trySend(FILE.stored, encodeReply(this.#stream.id, new Uint8Array(0)))
    this.#options.onStored?.(this)
    this.#settle()
  }

  async #fail(why: string): Promise<void> {
    if (this.#isOver) return
    this.#isOver = true
    await this.#file?.close().catch(() => {})
    await unlink(this.#temporary).catch(() => {})
    this.#replies.trySend(FILE.refused, encodeReply(this.#stream.id, Buffer.from(why)))
    this.#options.onFailed?.(this, why)
    this.#settle()
  }
}
