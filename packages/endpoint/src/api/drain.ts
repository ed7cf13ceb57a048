/**
 * How an endpoint that closes delivers accepted messages, and hands over received ones, within a limited time.
 *
 * @module
 */

import type { Host } from "@x/transport/host"
import { REASON } from "@x/wire"
import type { Driver } from "../driver.ts"
import type { PeerState } from "../peer/peer-state.ts"
import type { IncomingHandle } from "./incoming-stream.ts"

export interface DrainParts {
  readonly host: Pick<Host, "now" | "defer">
  readonly driver: Pick<Driver, "until" | "work">
  /** How long it may take, milliseconds. */
  readonly lingerMs: number
  peers(): Iterable<PeerState>
  /** Half of the time is over, or everything was delivered: messages without a handler no longer wait. */
  onFinishing(): void
}

export class Drain {
  readonly #parts: DrainParts
  /** Streams with messages that wait for their consumers, or that consumers are working on. */
  readonly #behind = new Set<IncomingHandle>()
  /** No message is accepted any more that would have to wait. */
  #isFinishing = false

  constructor(parts: DrainParts) {
    this.#parts = parts
  }

  /** The consumer of a stream has a message that it isn't done with; or no longer has. */
  note(stream: IncomingHandle, isBehind: boolean): void {
    const { host, driver } = this.#parts
    if (isBehind) {
      this.#behind.add(stream)
      // Deferred: the rest of its packet is about to be handed over.
      if (this.#isFinishing) host.defer(() => stream.finish(REASON.closing))
    } else {
      this.#behind.delete(stream)
      if (this.#isFinishing) driver.work()
    }
  }

  /**
   * Waits until everything is done, or the time is over. Then it calls `leave`, before anything else can be accepted.
   */
  async run(leave: () => void): Promise<void> {
    const { host, driver, lingerMs } = this.#parts
    const endMs = host.now() + lingerMs
    await driver.until(() => this.#isDrained(), lingerMs / 2)
    this.#isFinishing = true
    this.#parts.onFinishing()
    for (const stream of [...this.#behind]) stream.finish(REASON.closing)
    const isDone = (): boolean => this.#behind.size === 0 && this.#isDrained()
    // Messages accepted before the goodbye are delivered too, even between the end of the wait and this check.
    do await driver.until(isDone, endMs - host.now())
    while (!isDone() && host.now() < endMs)
    leave()
  }

  #isDrained(): boolean {
    // Silent peers count too: they may be heard again.
    for (const { outgoing } of this.#parts.peers()) {
      for (const { stream, sender } of outgoing.all()) {
        if (stream.state === "open" && !(stream.isDrained && sender.lot.isEmpty)) return false
        if (stream.state === "ending") return false
      }
    }
    return true
  }
}
