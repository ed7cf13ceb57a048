/**
 * A subscriber of a topic: its account, and the stream that carries the messages to it.
 *
 * @module
 */

import type { OutgoingStream } from "@x/endpoint"
import type { ControlLine } from "../control-line.ts"
import { Account } from "./account.ts"
import type { Start } from "./publication.ts"

export class Member extends Account {
  /** The peer's number for the subscription. */
  readonly id: number
  readonly control: ControlLine
  readonly stream: OutgoingStream
  /** Its stream takes nothing more until it has drained. */
  isBlocked = false
  /** Messages that it skipped, and that listeners of its topic will be told of. */
  toTell = 0
  /** It was taken off its topic. */
  isOut = false

  constructor(id: number, control: ControlLine, stream: OutgoingStream, { first }: Start, end: number, nowMs: number) {
    super(first, end, nowMs)
    this.id = id
    this.control = control
    this.stream = stream
  }
}
