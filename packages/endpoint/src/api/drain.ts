/**
 * How an endpoint that closes delivers what was accepted, and hands over what came, within the time that there is.
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
  /** Half of the time is over, or all was delivered: messages without a handler wait no more. */
  onFinishing(): void
}

export class Drain {
  readonly #parts: DrainParts
  /** Streams of which messages wait for their consumers, or are with one. */
  readonly #behind = new Set<IncomingHandle>()
  /** Nothing is taken any more that would have to wait. */
  #isFinishing = false

  constructor(parts: DrainParts) {
    this.#parts = parts
  }

  /** The consumer of a stream has something that it isn't done with; or nothing any more. */
  note(stream: IncomingHandle, isBehind: boolean): void {
    const { host, driver } = this.#parts
    if (isBehind) {
      this.#behind.add(stream)
      // Not now: the rest of its packet is about to be handed over.
      if (this.#isFinishing) host.defer(() => stream.finish(REASON.closing))
    } else {
      this.#behind.delete(stream)
      if (this.#isFinishing) driver.work()
    }
  }

  /** Waits until all is done, or the time is over. `leave` is called then, before anything else can be accepted. */
  async run(leave: () => void): Promise<void> {
    const { host, driver, lingerMs } = this.#parts
    const endMs = host.now() + lingerMs
    await driver.until(() => this.#isDrained(), lingerMs / 2)
    this.#isFinishing = true
    this.#parts.onFinishing()
    for (const stream of [...this.#behind]) stream.finish(REASON.closing)
    const isDone = (): boolean => this.#behind.size === 0 && this.#isDrained()
    // What is accepted before the goodbye is delivered too, also between the end of the wait and here.
    do await driver.until(isDone, endMs - host.now())
    while (!isDone() && host.now() < endMs)
    leave()
  }

  #isDrained(): boolean {
    // Also those that are silent: they may be heard again.
    for (const { outgoing } of this.#parts.peers()) {
      for (const { stream, sender } of outgoing.all()) {
        if (stream.state === "open" && !(stream.isDrained && sender.lot.isEmpty)) return false
        if (stream.state === "ending") return false
      }
    }
    return true
  }
}
