/**
 * All that is between us and one peer: its subscriptions to our topics, ours to its topics, and the streams for
 * control.
 *
 * @module
 */

import type { IncomingStream, Peer } from "@x/endpoint"
import type { ControlLine } from "./control-line.ts"
import type { Member } from "./publish/member.ts"
import type { Subscribing } from "./subscribe/subscribing.ts"

/** Streams for control that may wait: one, and a few that came before it. */
const PAUSED_MAX = 8

export class Line {
  readonly peer: Peer
  readonly control: ControlLine
  /** Its subscriptions to our topics, by its numbers. */
  readonly members: Map<number, Member> = new Map()
  /** Ours to its topics, by our numbers, until the peer has said that they are over. */
  readonly subscribing: Map<number, Subscribing> = new Map()
  /** Streams that it opened while we wait for an answer: one may be that of the answer, which comes on another stream. */
  readonly unknown: Map<number, IncomingStream> = new Map()
  /** Streams for control that wait until it takes our answers, also closed ones. */
  readonly paused: Set<IncomingStream> = new Set()

  constructor(control: ControlLine) {
    this.peer = control.peer
    this.control = control
  }

  /**
   * Whether it asks on one stream after the other without taking our answers. It has one at a time, so that pausing that
   * is enough.
   */
  get isFlooding(): boolean {
    return this.control.isFull && this.paused.size >= PAUSED_MAX
  }

  /** Its messages wait until it takes our answers. */
  pause(stream: IncomingStream): void {
    stream.pause()
    this.paused.add(stream)
  }

  /** It takes our answers. */
  resume(): void {
    for (const stream of this.paused) stream.resume()
    this.paused.clear()
  }
}
