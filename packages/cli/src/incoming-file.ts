import { createHash, type Hash } from "node:crypto"
import { type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import type { IncomingStream } from "@x/endpoint"
import { PartFiles } from "./part-files.ts"
import {
  CHUNK_BYTES,
  FILE,
  type Offer,
  type Refusal,
  type Reply,
  SHA256_BYTES,
  UNWRITTEN_BYTES_MAX,
} from "./file-protocol.ts"

export interface IncomingFileOptions {
  readonly dir: string
  readonly overwrite?: boolean
  /** Of the folder, shared by all of its files. */
  readonly parts?: PartFiles
}

export interface Refused {
  readonly refusal: Refusal
  readonly why: string
}

/**
 * One file being received: messages come in by `chunk` and `finish`, which never wait; the disk follows at its own
 * pace.
 */
export class IncomingFile {
  /** Settles with `undefined` when the file is stored, else with why not. Never rejects. */
  readonly done: Promise<Refused | undefined>
  readonly #offer: Offer
  readonly #stream: IncomingStream
  readonly #options: IncomingFileOptions
  readonly #reply: (reply: Reply) => void
  readonly #path: string
  readonly #parts: PartFiles
  readonly #temporary: string
  /** Chunks that wait for the disk: at most `UNWRITTEN_BYTES_MAX`, for whole chunks alone are let in. */
  readonly #chunks: Uint8Array[] = []
  #received = 0
  #written = 0
  /** The sender was asked for the digest of what was kept, and has not answered. */
  #isAsking = false
  /** The sender was asked for the chunks: where they begin is known. */
  #isAccepted = false
  #prefix: Uint8Array | undefined
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
    this.#parts = options.parts ?? new PartFiles(options.dir)
    this.#temporary = this.#parts.claim(offer.name)
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
    const { size, canResume } = this.#offer
    if (canResume && !this.#isAccepted) return this.refuse("protocol", "a chunk came before it was asked for")
    const due = size === undefined ? CHUNK_BYTES : Math.min(CHUNK_BYTES, size - this.#received)
    if (bytes.length === 0 || (size === undefined ? bytes.length > due : bytes.length !== due))
      return this.refuse("protocol", `a chunk of ${bytes.length} bytes came where one of ${due} was due`)
    this.#received += bytes.length
    if (this.#received - this.#written > UNWRITTEN_BYTES_MAX)
      return this.refuse("protocol", "more bytes came than were asked for")
    this.#chunks.push(new Uint8Array(bytes))
    this.#wake()
  }

  /** Bytes that came, those that were kept with them. */
  get received(): number {
    return this.#received
  }

  /** Digest of what the sender has of the bytes that were kept. */
  prefix(digest: Uint8Array): void {
    if (this.#refused !== undefined) return
    if (!this.#isAsking || digest.length !== SHA256_BYTES)
      return this.refuse("protocol", "a digest came that nobody asked for")
    this.#isAsking = false
    this.#prefix = new Uint8Array(digest)
    this.#wake()
  }

  finish(digest: Uint8Array): void {
    if (this.#refused !== undefined || this.#digest !== undefined) return
    if (digest.length !== SHA256_BYTES) return this.refuse("protocol", `its SHA-256 has ${digest.length} bytes`)
    const { size = this.#received } = this.#offer
    if (this.#received !== size) return this.refuse("content", `${this.#received} of ${size} bytes came`)
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
    const { name, canResume } = this.#offer
    try {
      await this.#checkFree()
      const kept = canResume ? await this.#copyKept() : 0
      // Only this process makes the file: a link that somebody put there is not followed.
      file = await open(this.#temporary, kept > 0 ? "r+" : "wx")
      const hash = kept > 0 ? await this.#goOn(file, kept) : createHash("sha256")
      if (kept > 0) await file.truncate(this.#written)
      this.#isAccepted = true
      this.#reply({ type: FILE.written, stream: this.#stream.id, written: this.#written })
      await this.#write(file, hash)
      if (!hash.digest().equals(this.#digest!))
        throw new RefusedError("content", "its SHA-256 doesn't agree: the bytes changed on the way")
      await file.sync()
      await file.close()
      file = undefined
      await this.#publish()
      if (canResume) await this.#parts.drop(name).catch(() => {})
      this.#reply({ type: FILE.stored, stream: this.#stream.id })
      return undefined
    } catch (error) {
      this.#refused =
        error instanceof RefusedError
          ? error
          : { refusal: "storage", why: storageProblem(error as NodeJS.ErrnoException) }
      this.#chunks.length = 0
      await file?.close().catch(() => {})
      if (await this.#isToKeep()) {
        await this.#parts.drop(name).catch(() => {})
        this.#refused = {
          refusal: "ended",
          why: `${this.#refused.why}; what came is kept: it goes on from there when it is sent again`,
        }
      } else await unlink(this.#temporary).catch(() => {})
      this.#reply({ type: FILE.refused, stream: this.#stream.id, ...pick(this.#refused) })
      return pick(this.#refused)
    } finally {
      this.#parts.release(this.#temporary)
    }
  }

  /** Copies what is there of the file; answers how many bytes of it may be gone on with. */
  async #copyKept(): Promise<number> {
    const { name, size = 0 } = this.#offer
    const there = await this.#parts
      .copyLargest(name, this.#temporary)
      .catch(async ({ code }: NodeJS.ErrnoException) => {
        // There is no room for both: what was kept makes room for the whole.
        if (code === "ENOSPC") await this.#parts.drop(name)
        await unlink(this.#temporary).catch(() => {})
        return 0
      })
    const kept = there - (there % CHUNK_BYTES)
    if (kept > 0 && there <= size) return kept
    if (there > 0) await unlink(this.#temporary)
    return 0
  }

  /** Asks the sender whether what is there is of its file; answers the hash to go on with. */
  async #goOn(file: FileHandle, kept: number): Promise<Hash> {
    const hash = createHash("sha256")
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
    for (let at = 0; at < kept; at += CHUNK_BYTES) {
      await this.#changed(() => true)
      await file.read(buffer, 0, CHUNK_BYTES, at)
      hash.update(buffer)
    }
    this.#isAsking = true
    this.#reply({ type: FILE.kept, stream: this.#stream.id, kept })
    await this.#changed(() => this.#prefix !== undefined)
    if (!hash.copy().digest().equals(this.#prefix!)) return createHash("sha256")
    this.#received = this.#written = kept
    // The copy has all that they have.
    await this.#parts.drop(this.#offer.name)
    return hash
  }

  /** Writes and hashes chunks as they come until all are there. */
  async #write(file: FileHandle, hash: Hash): Promise<void> {
    for (;;) {
      await this.#changed(() => this.#chunks.length > 0 || this.#digest !== undefined)
      const chunk = this.#chunks.shift()
      if (chunk === undefined) return
      hash.update(chunk)
      for (let at = 0; at < chunk.length;)
        at += (await file.write(chunk, at, chunk.length - at, this.#written + at)).bytesWritten
      this.#written += chunk.length
      this.#reply({ type: FILE.written, stream: this.#stream.id, written: this.#written })
    }
  }

  /** An interrupted file stays in part, to go on with, unless there is one of its name by now. */
  async #isToKeep(): Promise<boolean> {
    if (this.#refused?.refusal !== "ended" || !this.#offer.canResume || this.#written < CHUNK_BYTES) return false
    return this.#checkFree().then(
      () => true,
      () => false,
    )
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
