/**
 * The answers to one peer: one stream for all of them, and a backlog for those that neither its window nor its parking
 * lot has room for. While there is a backlog nothing more is taken of the peer, so it holds no more than what was being
 * answered by then.
 *
 * @module
 */

import type { OutgoingStream, Peer } from "@x/endpoint"
import { ANSWER_LABEL, MESSAGE } from "../format/labels.ts"
import type { MessageWriter } from "../format/message-writer.ts"

export interface AnswersHost {
  /** There is a backlog now, or none any more. */
  onBacklog(isThere: boolean): void
  onUnanswerable(count: number): void
}

export class Answers {
  readonly #peer: Peer
  readonly #host: AnswersHost
  #stream: OutgoingStream | undefined
  #backlog: Uint8Array[] = []
  #backlogBytes = 0

  constructor(peer: Peer, host: AnswersHost) {
    this.#peer = peer
    this.#host = host
  }

  get waiting(): number {
    return this.#backlog.length
  }

  get waitingBytes(): number {
    return this.#backlogBytes
  }

  /** Sends a message. `false`: it is too large. Throws what the codec throws. */
  send(writer: MessageWriter): boolean {
    const stream = this.#stream?.state === "open" ? this.#stream : this.#open()
    if (stream === undefined) {
      this.#host.onUnanswerable(1)
      return true
    }
    if (this.#backlog.length > 0) {
      if (writer.bytes > stream.messageBytesMax) return false
      this.#push(writer.copy())
      return true
    }
    switch (writer.write(stream)) {
      case "sent":
      case "parked":
        return true
      case "too-large":
        return false
      case "refused": {
        const bytes = writer.copy()
        if (!this.#trySend(stream, bytes)) this.#push(bytes)
        return true
      }
      default:
        this.#host.onUnanswerable(1)
        return true
    }
  }

  #open(): OutgoingStream | undefined {
    try {
      const stream = this.#peer.open({ label: ANSWER_LABEL, delivery: "reliable-unordered" })
      stream.on("drain", () => this.#flush())
      stream.on("closed", () => this.#onClosed(stream))
      return (this.#stream = stream)
    } catch {
      // The peer has left, or has no room for a stream.
      return undefined
    }
  }

  /** `false`: there is no room. */
  #trySend(stream: OutgoingStream, bytes: Uint8Array): boolean {
    const result = stream.trySend(MESSAGE, bytes)
    if (result === "refused") return false
    if (result !== "sent" && result !== "parked") this.#host.onUnanswerable(1)
    return true
  }

  #push(bytes: Uint8Array): void {
    this.#backlog.push(bytes)
    this.#backlogBytes += bytes.length
    if (this.#backlog.length === 1) this.#host.onBacklog(true)
  }

  #flush(): void {
    const stream = this.#stream
    if (stream === undefined || this.#backlog.length === 0) return
    let sent = 0
    while (sent < this.#backlog.length && this.#trySend(stream, this.#backlog[sent]!))
      this.#backlogBytes -= this.#backlog[sent++]!.length
    this.#backlog.splice(0, sent)
    if (this.#backlog.length === 0) this.#host.onBacklog(false)
  }

  #onClosed(stream: OutgoingStream): void {
    if (this.#stream !== stream) return
    this.#stream = undefined
    if (this.#backlog.length === 0) return
    if (this.#open() === undefined) this.drop()
    else this.#flush()
  }

  /** Nothing is answered any more. */
  drop(): void {
    const { length } = this.#backlog
    this.#backlog = []
    this.#backlogBytes = 0
    if (length === 0) return
    this.#host.onUnanswerable(length)
    this.#host.onBacklog(false)
  }

  /** Nobody asks any more. */
  end(): void {
    const stream = this.#stream
    this.#stream = undefined
    void stream?.end()
  }
}
