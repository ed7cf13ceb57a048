/**
 * The stream for control to one peer: what publishers and subscribers tell it, in order, and nothing lost. It is opened
 * with the first message.
 *
 * @module
 */

import { EndpointError, type OutgoingStream, type Peer } from "@x/endpoint"
import { type Control, encodeControl } from "./wire/message.ts"

/** What a line needs of its owner. */
export interface ControlLineHost {
  /** The type of control messages. */
  readonly type: number
  /** It isn't full any more. */
  onRoom(): void
  /** The stream was closed: what was told may not have come, and nothing more can be told. */
  onLost(): void
}

/** Messages that wait beyond what the stream takes: then the peer's are left waiting. */
const WAITING_MAX = 64

export class ControlLine {
  readonly peer: Peer
  readonly #host: ControlLineHost
  #stream: OutgoingStream | undefined
  /** What the stream had no room for. */
  #waiting: Control[] = []
  /** The stream was closed: what is told then goes nowhere, and the next subscription has another line. */
  #isLost = false

  constructor(peer: Peer, host: ControlLineHost) {
    this.peer = peer
    this.#host = host
  }

  /** Messages that wait beyond what the stream takes. */
  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Whether so much waits that no more is to be asked for that has to be answered. What waits beyond is bounded by what
   * there is to tell of: a few messages for each subscription, of whose gaps one waits.
   */
  get isFull(): boolean {
    return this.#waiting.length >= WAITING_MAX
  }

  /** Tells the peer. Throws `EndpointError` if it takes no stream. */
  send(control: Control): void {
    if (this.#isLost) return
    this.#stream ??= this.#open()
    if (this.#waiting.length === 0 && this.#offer(this.#stream, control)) return
    if (control.kind !== "gap" || !this.#addGap(control)) this.#waiting.push(control)
  }

  /** The same; `false` instead: the peer takes no stream, or has left. */
  trySend(control: Control): boolean {
    try {
      this.send(control)
      return true
    } catch (error) {
      if (error instanceof EndpointError) return false
      throw error
    }
  }

  /** `false`: there is no room. */
  #offer(stream: OutgoingStream, control: Control): boolean {
    return stream.trySend(this.#host.type, encodeControl(control)) !== "refused"
  }

  /** Adds to a gap of the same subscription that waits. `false`: there is none. */
  #addGap({ id, messages }: Extract<Control, { kind: "gap" }>): boolean {
    const at = this.#waiting.findIndex((it) => it.kind === "gap" && it.id === id)
    const earlier = this.#waiting[at]
    if (earlier?.kind !== "gap") return false
    this.#waiting[at] = { ...earlier, messages: earlier.messages + messages }
    return true
  }

  #open(): OutgoingStream {
    const stream = this.peer.open({ label: "topics" })
    stream.on("drain", () => this.#drain(stream))
    stream.on("closed", () => {
      if (this.#stream !== stream) return
      this.#isLost = true
      this.#stream = undefined
      this.#waiting = []
      this.#host.onLost()
    })
    return stream
  }

  #drain(stream: OutgoingStream): void {
    const wasFull = this.isFull
    let sent = 0
    while (sent < this.#waiting.length && this.#offer(stream, this.#waiting[sent]!)) sent++
    this.#waiting.splice(0, sent)
    if (wasFull && !this.isFull) this.#host.onRoom()
  }

  /** No more is to be told. */
  end(): void {
    const stream = this.#stream
    this.#stream = undefined
    void stream?.end()
  }
}
