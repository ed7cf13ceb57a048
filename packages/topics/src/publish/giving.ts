/**
 * Gives the messages of a publication to the streams of its members, as far as they take them. Those that have
 * everything are given each message at once, and it is written once for all of them; the others go on by themselves
 * until they have caught up.
 *
 * @module
 */

import type { FanOut, OutgoingStream } from "@x/endpoint"
import type { Member } from "./member.ts"
import type { Publication } from "./publication.ts"

/** A member whose stream can't carry what it is owed. */
export interface Unable {
  readonly member: Member
  readonly why: "message-too-large" | "stream-closed" | "peer-left"
}

/** What it gives from, and how. */
export interface GivingParts {
  readonly publication: Publication<Member>
  /** Numbers messages as the publication does. */
  readonly fanOut: FanOut
  /** The type of messages of topics. */
  readonly entryType: number
  /** Whether the streams can be sent packets that are written once. Streams that give messages up write each their own. */
  readonly isShared: boolean
}

/** Each member is in one place: abreast; or looked at with the next message; or behind, and blocked until it drains. */
export class Giving {
  readonly #publication: Publication<Member>
  readonly #fanOut: FanOut
  readonly #entryType: number
  readonly #isShared: boolean
  /** Those that have everything and take more: `#fanOut` has their streams. */
  readonly #abreast = new Set<Member>()
  /** Those that are looked at with the next message, since they may take it, or are behind by it. */
  readonly #lookedAt = new Set<Member>()

  constructor({ publication, fanOut, entryType, isShared }: GivingParts) {
    this.#publication = publication
    this.#fanOut = fanOut
    this.#entryType = entryType
    this.#isShared = isShared
  }

  /** A member has come, which `give` gives what was there before it. */
  add(member: Member): void {
    this.#lookedAt.add(member)
  }

  /** A member has gone: it is given nothing more. */
  delete(member: Member): void {
    this.#lookedAt.delete(member)
    if (this.#abreast.delete(member)) this.#fanOut.delete(member.stream)
  }

  /** Appends a message to the publication, which has admitted it, and gives it to all. Returns those that can't go on. */
  publish(entry: Uint8Array, nowMs: number): Unable[] {
    const publication = this.#publication
    // Who skips all that there was waits for this one, and may have been behind until now.
    for (const member of publication.untold) this.#place(member)
    publication.append(entry, nowMs)
    const apart = this.#offer(entry)
    const slow = apart.length === 0 ? undefined : new Set(apart)
    const others = [...this.#lookedAt]
    for (const member of this.#abreast)
      if (slow?.has(member.stream) === true) others.push(member)
      else member.took(1, nowMs)
    return this.give(others, nowMs)
  }

  /** Writes it once for all, if there is anybody. Returns the streams of those abreast that didn't take it. */
  #offer(entry: Uint8Array): readonly OutgoingStream[] {
    if (this.#publication.accounts.size > 0 && this.#isShared) return this.#fanOut.trySend(this.#entryType, entry)
    this.#fanOut.skip()
    return []
  }

  /** Gives members what their streams take. Returns those that can't go on. */
  give(members: Iterable<Member>, nowMs: number): Unable[] {
    const unable: Unable[] = []
    for (const member of members) {
      const why = this.#giveTo(member, nowMs)
      // Its stream may have been closed meanwhile.
      if (member.isOut) continue
      this.#publication.settle(member)
      this.#place(member)
      if (why !== undefined) unable.push({ member, why })
    }
    return unable
  }

  #giveTo(member: Member, nowMs: number): Unable["why"] | undefined {
    while (!member.isBlocked) {
      const message = this.#publication.nextFor(member)
      if (message === undefined) return undefined
      const given = this.#fanOut.give(member.stream, member.next)
      if (given > 0) member.took(given, nowMs)
      else if (given < 0) member.isBlocked = true
      else {
        const why = this.#send(member, message, nowMs)
        if (why !== undefined) return why
      }
    }
    return undefined
  }

  /** Sends a member a message that no shared packet begins with. */
  #send(member: Member, message: Uint8Array, nowMs: number): Unable["why"] | undefined {
    const outcome = member.stream.trySend(this.#entryType, message)
    switch (outcome) {
      case "refused":
        member.isBlocked = true
        return undefined
      case "too-large":
        return "message-too-large"
      case "closed":
        return "stream-closed"
      case "not-joined":
        return "peer-left"
      case "parked":
      case "sent":
      case "dropped":
        // Parked: it has it, and wants no more.
        member.isBlocked = outcome === "parked"
        member.took(1, nowMs)
        return undefined
    }
  }

  /**
   * A member that has everything, and whose stream takes more, is given the next message with the others. One that is
   * behind, and whose stream takes no more, isn't looked at until it does.
   */
  #place(member: Member): void {
    const { isBlocked } = member
    if (this.#isShared && !isBlocked && member.next === this.#publication.log.end) {
      this.#lookedAt.delete(member)
      if (this.#abreast.has(member)) return
      this.#abreast.add(member)
      this.#fanOut.add(member.stream)
    } else {
      if (this.#abreast.delete(member)) this.#fanOut.delete(member.stream)
      if (isBlocked && this.#publication.behind.has(member)) this.#lookedAt.delete(member)
      else this.#lookedAt.add(member)
    }
  }

  /** Lets go of packets with messages that nobody waits for any more. */
  release(): void {
    this.#fanOut.release(this.#publication.wantedFrom)
  }

  /** Nothing more is given to anybody. */
  close(): void {
    this.#fanOut.close()
  }

  /** For tests: throws an `Error` if a member would never be given anything again, or numbers are out of step. */
  assertInvariants(): void {
    const { accounts, behind, log } = this.#publication
    for (const member of accounts) {
      const isAbreast = this.#abreast.has(member)
      const isAwaited = this.#lookedAt.has(member) || (member.isBlocked && behind.has(member))
      if (isAbreast === isAwaited) throw new Error("a member is in no place, or in two")
      if (isAbreast && member.next !== log.end) throw new Error("a member that is abreast doesn't have everything")
    }
    if (this.#fanOut.size !== this.#abreast.size) throw new Error("streams that aren't abreast are given messages")
    if (this.#fanOut.next !== log.end) throw new Error("messages have two numbers")
  }
}
