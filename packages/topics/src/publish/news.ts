/**
 * What is told of the subscribers of a topic: to its listeners, and to the subscribers themselves.
 *
 * @module
 */

import type { Peer } from "@x/endpoint"
import { traitsNamed } from "@x/wire"
import { Events, type Telling } from "../events.ts"
import type { Member } from "./member.ts"
import type { Publication } from "./publication.ts"
import type { Leaving, Skipped, TopicEvents } from "./topic.ts"

export class TopicNews {
  readonly #publication: Publication<Member>
  readonly #events: Events<TopicEvents>
  /** Whether a subscriber is told at once of what it skips: where nothing is lost, and no order shows it. */
  readonly #isGapTold: boolean
  /** Bytes of a message that was refused, and whose publisher waits for `drain`. */
  #refusedBytes: number | undefined

  constructor(publication: Publication<Member>, delivery: Parameters<typeof traitsNamed>[0], telling: Telling) {
    this.#publication = publication
    this.#events = new Events(["subscriber", "drain"], telling)
    const { waits, isOrdered } = traitsNamed(delivery)
    // Where there is an order, the next message shows it; what may be lost anyway is counted at the end.
    this.#isGapTold = waits && !isOrdered
  }

  on<K extends keyof TopicEvents>(name: K, listener: TopicEvents[K]): () => void {
    return this.#events.on(name, listener)
  }

  subscribed(peer: Peer): void {
    this.#events.emit("subscriber", { peer, state: "subscribed" })
  }

  left(peer: Peer, why: Leaving): void {
    this.#events.emit("subscriber", { peer, state: "left", why })
  }

  /** Tells of all that has been skipped and not been told yet. */
  tellSkipped(): void {
    const { untold } = this.#publication
    if (untold.size === 0) return
    for (const member of untold) {
      const messages = member.untold
      member.untold = 0
      this.#emitSkipped(member, messages)
      if (this.#isGapTold) member.control.trySend({ kind: "gap", id: member.id, messages })
    }
    untold.clear()
  }

  /** One event for all that is skipped until it is told: who skips much doesn't make a queue of it. */
  #emitSkipped(member: Member, messages: number): void {
    if (member.toTell === 0)
      this.#events.emitLater("subscriber", () => {
        const news: Skipped = { peer: member.stream.peer, state: "skipped", messages: member.toTell }
        member.toTell = 0
        return [news]
      })
    member.toTell += messages
  }

  /** A message of this many bytes was refused. */
  refused(bytes: number): void {
    this.#refusedBytes = bytes
  }

  /** Tells that a message that was refused would be taken, once it would. */
  tellDrain(): void {
    if (this.#refusedBytes === undefined || !this.#publication.hasRoomFor(this.#refusedBytes)) return
    this.#refusedBytes = undefined
    this.#events.emit("drain")
  }
}
