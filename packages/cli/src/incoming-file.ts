import { createHash, type Hash } from "node:crypto"
import { type FileHandle, link, lstat, open, rename, unlink } from "node:fs/promises"
import { join } from "node:path"
import type { IncomingStream } from "@x/endpoint"
import { PartFiles } from "./part-files.ts"
import {
  CHUNK_BYTES,
  FILE,
  GOES_ON,
  type Offer,
  type Refusal,
  type Reply,
  SHA256_BYTES,
  UNWRITTEN_BYTES_MAX,
} from "./file-protocol.ts"

export interface IncomingFileOptions {
  readonly dir: string
  readonly overwrite?: boolean
  /** The unfinished files of the folder, shared by all of its transfers. */
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
  /** Settles with `undefined` when the file is stored, otherwise with the refusal. Never rejects. */
  readonly done: Promise<Refused | undefined>
  readonly #offer: Offer
  readonly #stream: IncomingStream
  readonly #options: IncomingFileOptions
  readonly #reply: (reply: Reply) => void
  readonly #path: string
  readonly #parts: PartFiles
  readonly #temporary: string
  /** Chunks that wait for the disk: at most `UNWRITTEN_BYTES_MAX`, since only full chunks are accepted. */
  readonly #chunks: Uint8Array[] = []
  #received = 0
  #written = 0
  /** The sender was asked for the digest of the bytes kept, and hasn't answered yet. */
  #isAsking = false
  /** The sender was asked for the chunks: their start is known. */
  #isAccepted = false
  #prefix: Uint8Array | undefined
  #digest: Uint8Array | undefined
  #refused: Refused | undefined
  /** Wakes the code that writes to the disk: something above has changed. */
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
    // The stream closes when the sender gives up, or when its process ends.
    void stream.closed.then(({ isComplete }) => {
      if (!isComplete || this.#digest === undefined)
        this.refuse("ended", isComplete ? "the sender ended it before it was whole" : "it was interrupted")
    })
  }

  /** Copies the bytes, so that the caller may reuse them on return. (`slice` of a Buffer doesn't copy.) */
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

  /** Bytes received, including those kept from before. */
  get received(): number {
    return this.#received
  }

  /** Takes the sender's digest of the bytes kept here. */
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

  /** Gives the file up, unless it is complete. */
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
      // "wx" makes a new file: a link that someone put there isn't followed.
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
          why: `${this.#refused.why}; ${GOES_ON}`,
        }
      } else await unlink(this.#temporary).catch(() => {})
      this.#reply({ type: FILE.refused, stream: this.#stream.id, ...pick(this.#refused) })
      return pick(this.#refused)
    } finally {
      this.#parts.release(this.#temporary)
    }
  }

  /** Copies the part of the file kept here; returns how many of its bytes can be used to resume. */
  async #copyKept(): Promise<number> {
    const { name, size = 0 } = this.#offer
    const there = await this.#parts
      .copyLargest(name, this.#temporary)
      .catch(async ({ code }: NodeJS.ErrnoException) => {
        // There is no room for both: the part kept makes room for the whole file.
        if (code === "ENOSPC") await this.#parts.drop(name)
        await unlink(this.#temporary).catch(() => {})
        return 0
      })
    const kept = there - (there % CHUNK_BYTES)
    if (kept > 0 && there <= size) return kept
    if (there > 0) await unlink(this.#temporary)
    return 0
  }

  /** Asks the sender whether the bytes kept belong to its file; returns the hash to continue. */
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
    // The copy has all bytes of the parts.
    await this.#parts.drop(this.#offer.name)
    return hash
  }

  /** Writes and hashes chunks as they come, until all have come. */
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

  /** Whether to keep the part of an interrupted file, to resume it: unless a file of its name exists by now. */
  async #isToKeep(): Promise<boolean> {
    if (this.#refused?.refusal !== "ended" || !this.#offer.canResume || this.#written < CHUNK_BYTES) return false
    return this.#checkFree().then(
      () => true,
      () => false,
    )
  }

  /** Waits for a condition on the bytes received; rejects when the file is refused. */
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

  /** Gives the complete file its name, and makes the name durable. */
  async #publish(): Promise<void> {
    if (this.#options.overwrite === true) await rename(this.#temporary, this.#path)
    else await this.#linkOrRename()
    // A name is durable once its folder is on the disk. Windows can't open folders, and doesn't need this.
    const folder = await open(this.#options.dir).catch(() => undefined)
    await folder?.sync().catch(() => {})
    await folder?.close()
  }

  /**
   * Unlike a rename, a link fails if the name has been taken meanwhile. Without links, a check beforehand has to do.
   */
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

/** What a peer is told about a failed disk: not our paths. */
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
