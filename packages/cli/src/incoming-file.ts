import { createHash, randomBytes } from "node:crypto"
import { type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import type { IncomingStream } from "@x/endpoint"
import { CHUNK_BYTES, FILE, type Offer, type Refusal, type Reply, SHA256_BYTES, UNWRITTEN_BYTES_MAX } from "./file-protocol.ts"

/** Ends the name of every temporary file. It begins with a dot, which no offered name does. */
export const PART_SUFFIX = ".x-part"

export interface IncomingFileOptions {
  readonly dir: string
  readonly overwrite?: boolean
}

export interface Refused {
  readonly refusal: Refusal
  readonly why: string
}

/** One file being received: messages come in by `chunk` and `finish`, which never wait; the disk follows at its own pace. */
export class IncomingFile {
  /** Settles with `undefined` when the file is stored, else with why not, when nothing of it is left. Never rejects. */
  readonly done: Promise<Refused | undefined>
  readonly #offer: Offer
  readonly #stream: IncomingStream
  readonly #options: IncomingFileOptions
  readonly #reply: (reply: Reply) => void
  readonly #path: string
  readonly #temporary: string
  /** Chunks that wait for the disk: at most `UNWRITTEN_BYTES_MAX`, for whole chunks alone are let in. */
  readonly #chunks: Uint8Array[] = []
  #received = 0
  #written = 0
  #digest: Uint8Array | undefined
  #refused: Refused | undefined
  /** Wakes the disk's side: something above has changed. */
  #wake: () => void = () => {}

  constructor(offer: Offer, stream: IncomingStream, options: IncomingFileOptions, reply: (reply: Reply) => void) {
    this.#offer = offer
    this.#stream = stream
    this.#options = options
    this.#reply = reply
    this.#path = join(options.dir, offer.name)
    this.#temporary = join(options.dir, `.${randomBytes(8).toString("hex")}${PART_SUFFIX}`)
    this.done = this.#run()
    // It closes when the sender gives up, or goes away with its process.
    void stream.closed.then(({ isComplete }) => {
      if (!isComplete || this.#digest === undefined)
        this.refuse("ended", isComplete ? "the sender ended it before it was whole" : "it was interrupted")
    })
  }

  /** The bytes are copied, which `slice` of a Buffer does not: they are the caller's again on return. */
  chunk(bytes: Uint8Array): void {
    if (this.#refused !== undefined) return
    const due = Math.min(CHUNK_BYTES, this.#offer.size - this.#received)
    if (due === 0 || bytes.length !== due)
      return this.refuse("protocol", `a chunk of ${bytes.length} bytes came where one of ${due} was due`)
    this.#received += due
    if (this.#received - this.#written > UNWRITTEN_BYTES_MAX) return this.refuse("protocol", "more bytes came than were asked for")
    this.#chunks.push(new Uint8Array(bytes))
    this.#wake()
  }

  finish(digest: Uint8Array): void {
    if (this.#refused !== undefined || this.#digest !== undefined) return
    if (digest.length !== SHA256_BYTES) return this.refuse("protocol", `its SHA-256 has ${digest.length} bytes`)
    if (this.#received !== this.#offer.size) return this.refuse("content", `${this.#received} of ${this.#offer.size} bytes came`)
    this.#digest = new Uint8Array(digest)
    this.#wake()
  }

  /** Gives the file up, unless it is whole. */
  end(): void {
    if (this.#digest === undefined) this.refuse("ended", "the receiver ends")
  }

  /** The first reason counts. */
  refuse(refusal: Refusal, why: string): void {
    this.#refused ??= { refusal, why }
    this.#wake()
  }

  async #run(): Promise<Refused | undefined> {
    let file: FileHandle | undefined
    try {
      await this.#checkFree()
      // Only this process makes the file: a link that somebody put there is not followed.
      file = await open(this.#temporary, "wx")
      this.#reply({ type: FILE.written, stream: this.#stream.id, written: 0 })
      const digest = await this.#write(file)
      await this.#changed(() => this.#digest !== undefined)
      if (!digest().equals(this.#digest!)) throw new RefusedError("content", "its SHA-256 doesn't agree: the bytes changed on the way")
      await file.sync()
      await file.close()
      file = undefined
      await this.#publish()
      this.#reply({ type: FILE.stored, stream: this.#stream.id })
      return undefined
    } catch (error) {
      this.#refused = error instanceof RefusedError ? error : { refusal: "storage", why: storageProblem(error as NodeJS.ErrnoException) }
      this.#chunks.length = 0
      await file?.close().catch(() => {})
      await unlink(this.#temporary).catch(() => {})
      this.#reply({ type: FILE.refused, stream: this.#stream.id, ...pick(this.#refused) })
      return pick(this.#refused)
    }
  }

  /** Writes chunks as they come until all are there; answers what makes their digest. */
  async #write(file: FileHandle): Promise<() => Buffer> {
    const hash = createHash("sha256")
    while (this.#written < this.#offer.size) {
      await this.#changed(() => this.#chunks.length > 0)
      const chunk = this.#chunks.shift()!
      hash.update(chunk)
      // Unlike `write`, it goes on until all bytes are written.
      await file.writeFile(chunk)
      this.#written += chunk.length
      this.#reply({ type: FILE.written, stream: this.#stream.id, written: this.#written })
    }
    return () => hash.digest()
  }

  /** Waits for a condition on what came; rejects when the file was refused. */
  async #changed(isTrue: () => boolean): Promise<void> {
    for (;;) {
      if (this.#refused !== undefined) throw new RefusedError(this.#refused.refusal, this.#refused.why)
      if (isTrue()) return
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  async #checkFree(): Promise<void> {
    const found = await lstat(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error
    })
    if (found?.isDirectory() === true) throw new RefusedError("exists", "a folder of that name is there")
    if (found !== undefined && this.#options.overwrite !== true) throw new RefusedError("exists", EXISTS)
  }

  /** Gives the whole file its name, and makes that last. */
  async #publish(): Promise<void> {
    if (this.#options.overwrite === true) await rename(this.#temporary, this.#path)
    else await this.#linkOrRename()
    // A name lasts once its folder is on the disk; Windows doesn't open folders, and needs it not.
    const folder = await open(this.#options.dir).catch(() => undefined)
    await folder?.sync().catch(() => {})
    await folder?.close()
  }

  /** Unlike a rename, a link fails when the name was taken meanwhile; where there are no links, a look has to do. */
  async #linkOrRename(): Promise<void> {
    try {
      await link(this.#temporary, this.#path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EEXIST") throw new RefusedError("exists", EXISTS)
      await this.#checkFree()
      return rename(this.#temporary, this.#path)
    }
    await unlink(this.#temporary)
  }
}

const EXISTS = "a file of that name is there; rename yours, or start the listener with --overwrite"

class RefusedError extends Error implements Refused {
  readonly refusal: Refusal
  readonly why: string

  constructor(refusal: Refusal, why: string) {
    super(why)
    this.refusal = refusal
    this.why = why
  }
}

function pick({ refusal, why }: Refused): Refused {
  return { refusal, why }
}

/** What a peer may know of a failed disk: our paths are not its business. */
function storageProblem({ code = "unknown error" }: NodeJS.ErrnoException): string {
  const known: Record<string, string> = {
    ENOSPC: "the receiver's disk is full",
    EDQUOT: "the receiver's quota is used up",
    EACCES: "the receiver may not write to its folder",
    EPERM: "the receiver may not write to its folder",
    EROFS: "the receiver's disk is read-only",
    ENOENT: "the receiver's folder is gone",
    ENAMETOOLONG: "the name is too long for the receiver's disk",
    EFBIG: "it is too large for the receiver's disk",
    EMFILE: "the receiver has too many files open; send it later",
    ENFILE: "the receiver has too many files open; send it later",
  }
  return known[code] ?? `the receiver's disk failed (${code})`
}
