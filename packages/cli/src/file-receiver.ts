import type { Endpoint, IncomingStream, Message, OutgoingStream, Peer } from "@x/endpoint"
import type { Address } from "@x/transport"
import { nameProblem } from "./file-name.ts"
import { encodeReply, FILE, type Offer, parseOffer, type Refusal, type Reply } from "./file-protocol.ts"
import { IncomingFile } from "./incoming-file.ts"
import { PartFiles } from "./part-files.ts"

export interface FileReceiverOptions {
  /** The folder for received files. */
  readonly dir: string
  /** Replace existing files; default: refuse. */
  readonly overwrite?: boolean
  /** Files at a time, from all peers, default 32: each may hold `UNWRITTEN_BYTES_MAX` of memory and one open file. */
  readonly filesMax?: number
  readonly onStored?: (file: StoredFile) => void
  /** Also called for a file that was refused at once; its name may then be any text. */
  readonly onRefused?: (file: FileOffer, refusal: Refusal, why: string) => void
}

export interface FileOffer extends Offer {
  readonly peer: Peer
  /** The peer's address when it offered the file. */
  readonly from: Address
}

export interface StoredFile extends FileOffer {
  readonly size: number
}

const FILES_MAX = 32

/** Receives files from peers. A file appears under its name only once it is complete and its SHA-256 matches. */
export class FileReceiver {
  readonly #options: FileReceiverOptions
  readonly #files = new Map<IncomingStream, IncomingFile>()
  readonly #replies = new WeakMap<Peer, OutgoingStream>()
  readonly #parts: PartFiles
  #isClosing = false

  constructor(endpoint: Endpoint, options: FileReceiverOptions) {
    this.#options = options
    this.#parts = new PartFiles(options.dir)
    endpoint.handle(FILE.offer, (message) => this.#offer(message))
    endpoint.handle(FILE.chunk, (message) => this.#files.get(message.stream)?.chunk(message.bytes))
    endpoint.handle(FILE.prefix, (message) => this.#files.get(message.stream)?.prefix(message.bytes))
    endpoint.handle(FILE.finish, (message) => this.#files.get(message.stream)?.finish(message.bytes))
  }

  /** Files under way. */
  get count(): number {
    return this.#files.size
  }

  /** Settles when no file is under way: each is stored, kept in part to be resumed, or removed. */
  async idle(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.done))
  }

  /**
   * Refuses files under way and new ones; a complete file is still stored. Call it before closing the endpoint, so that
   * senders are told.
   */
  close(): Promise<void> {
    this.#isClosing = true
    for (const file of this.#files.values()) file.end()
    return this.idle()
  }

  #offer(message: Message): void {
    const { peer, stream } = message
    const from = peer.address
    const known = this.#files.get(stream)
    if (known !== undefined) return known.refuse("protocol", "another file was offered on the stream of this one")
    const offer = parseOffer(message.bytes)
    const problem = this.#problem(offer)
    if (offer === undefined || problem !== undefined) {
      const [refusal, why] = problem ?? ["protocol", "the offer can't be read"]
      this.#reply(peer, { type: FILE.refused, stream: stream.id, refusal, why })
      this.#options.onRefused?.(
        { ...(offer ?? { name: "", size: undefined, canResume: false }), peer, from },
        refusal,
        why,
      )
      return
    }
    const file = new IncomingFile(offer, stream, { ...this.#options, parts: this.#parts }, (reply) =>
      this.#reply(peer, reply),
    )
    this.#files.set(stream, file)
    void file.done.then((outcome) => {
      this.#files.delete(stream)
      if (outcome === undefined) this.#options.onStored?.({ ...offer, size: file.received, peer, from })
      else this.#options.onRefused?.({ ...offer, peer, from }, outcome.refusal, outcome.why)
    })
  }

  #problem(offer: Offer | undefined): [Refusal, string] | undefined {
    if (this.#isClosing) return ["ended", "the receiver takes no more files"]
    if (offer === undefined) return undefined
    const problem = nameProblem(offer.name)
    if (problem !== undefined) return ["name", `the name was refused: ${problem}`]
    const { filesMax = FILES_MAX } = this.#options
    return this.#files.size < filesMax ? undefined : ["busy", `${filesMax} files are under way; send it later`]
  }

  /** A reply that can't be sent is dropped: the peer has left or accepts none, so nothing waits for it. */
  #reply(peer: Peer, reply: Reply): void {
    try {
      this.#repliesTo(peer)
        .send(reply.type, encodeReply(reply))
        .catch(() => {})
    } catch {
      // As above.
    }
  }

  #repliesTo(peer: Peer): OutgoingStream {
    let stream = this.#replies.get(peer)
    if (stream === undefined || stream.state !== "open")
      this.#replies.set(peer, (stream = peer.open({ label: "file replies" })))
    return stream
  }
}
