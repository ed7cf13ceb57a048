/**
 * Reads everything that two endpoints send to each other, and so knows everything that profile `checksum` relies on.
 */
import type { Random } from "@x/transport/simulated"
import type { DatagramInTransit } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { identity, pick } from "@x/testkit"
import { readdress, viewOf, ZERO_SEED } from "./seal.ts"

/** One direction of an association, with the seed of its datagrams' tags. */
interface Way {
  readonly to: string
  readonly slot: number
  readonly seed: number
  /** The highest counter seen or forged. */
  counter: number
}

/** A join that is or was under way. */
interface Attempt {
  readonly from: string
  readonly slot: number
  readonly counter: number
  readonly unique: Uint8Array
  readonly session: Uint8Array
  readonly seed: number
}

export interface Captured {
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
}

const CAPTURED_MAX = 400
const MACHINES = ["a", "b", "c"]

export class Eavesdropper {
  readonly captured: Captured[] = []
  /** Datagrams whose tag was right according to what is known here. */
  verified = 0
  readonly #profile: wire.Profile
  readonly #ways: Way[] = []
  readonly #attempts: Attempt[] = []
  /** Tokens issued for a join with this slot and unique; valid from the address they were sent to. */
  readonly #tokens: { readonly token: Uint8Array; readonly slot: number; readonly unique: Uint8Array }[] = []
  /** Uniques of forged joins, by slot. */
  readonly #forged = new Map<number, Uint8Array>()

  constructor(profile: wire.Profile) {
    this.#profile = profile
  }

  hear({ from, to, bytes }: Pick<DatagramInTransit, "from" | "to" | "bytes">): void {
    const copy = bytes.slice()
    if (this.captured.length < CAPTURED_MAX) this.captured.push({ from, to, bytes: copy })
    else this.captured[bytes.length % CAPTURED_MAX] = { from, to, bytes: copy }
    const view = viewOf(copy)
    const slot = wire.prefixSlot(view, 0)
    const counter = wire.prefixCounter(view, 0)
    if (!wire.prefixHandshake(view, 0)) {
      const way = this.#ways.find((it) => it.to === to && it.slot === slot)
      if (way === undefined) return
      way.counter = Math.max(way.counter, counter)
      if (this.#profile === wire.PROFILE.checksum && wire.openChecksum(copy, 0, copy.length, way.seed)) this.verified++
      return
    }
    if (wire.checkPackets(view, 0, copy.length, this.#profile) !== undefined) return
    const cursor = new wire.PacketCursor()
    cursor.start(view, 0, copy.length, this.#profile)
    cursor.next()
    if (cursor.kind === wire.KIND.join) {
      const { slot: own, unique, session } = wire.readJoin(view, cursor.body, cursor.addressForm)
      const seed = wire.pseudoHeaderSeed({ receiverUnique: unique, receiverSession: session })
      this.#attempts.push({ from, slot: own, counter, unique, session, seed })
    } else if (cursor.kind === wire.KIND.challenge) {
      const unique = this.#forged.get(slot) ?? this.#attempts.findLast((it) => it.slot === slot)?.unique
      if (unique !== undefined) this.#tokens.push({ token: wire.readChallenge(view, cursor.body).token, slot, unique })
    } else if (cursor.kind === wire.KIND.accept) {
      this.#learn(wire.readAccept(view, cursor.body, cursor.addressForm), { from, to, slot })
    }
  }

  #learn(accept: wire.Accept, { from, to, slot }: { from: string; to: string; slot: number }): void {
    const attempt = this.#attempts.findLast(
      (it) => it.from === to && it.slot === slot && it.session.some((byte) => byte !== 0),
    )
    if (attempt === undefined) return
    const [joiner, accepter] = [attempt, accept]
    const toJoiner = {
      ...{ receiverUnique: joiner.unique, receiverSession: joiner.session },
      ...{ senderUnique: accepter.unique, senderSession: accepter.session },
    }
    const toAccepter = {
      ...{ receiverUnique: accepter.unique, receiverSession: accepter.session },
      ...{ senderUnique: joiner.unique, senderSession: joiner.session },
    }
    this.#ways.push({ to, slot, seed: wire.pseudoHeaderSeed(toJoiner), counter: 0 })
    this.#ways.push({ to: from, slot: accept.slot, seed: wire.pseudoHeaderSeed(toAccepter), counter: 0 })
  }

  /** The slot and the seed for datagrams to a machine, once it has joined. */
  wayTo(to: string): { readonly slot: number; readonly seed: number } | undefined {
    return this.#ways.findLast((way) => way.to === to)
  }

  /** The highest counter of the datagrams to a machine that has joined. */
  counterTo(to: string): number {
    return this.#ways.findLast((way) => way.to === to)?.counter ?? 0
  }

  /**
   * The packets of `datagram`, whatever they are, in a datagram that `to` must accept as coming from the other side.
   */
  forge(random: Random, datagram: Uint8Array, from: wire.Profile, to: string): Uint8Array {
    const isHandshake = datagram.length > 11 && wire.classOf(wire.kindOf(datagram[11]!)) === wire.CLASS.handshake
    if (isHandshake) return this.#forgeHandshake(random, datagram, from, to)
    const ways = this.#ways.filter((way) => way.to === to)
    if (ways.length === 0)
      return readdress(datagram, from, this.#profile, {
        handshake: false,
        slot: random.uint32(),
        counter: 1,
        seed: ZERO_SEED,
      })
    const way = random.below(4) === 0 ? pick(random, ways) : ways.at(-1)!
    const counter =
      random.below(20) === 0
        ? pick(random, [1, way.counter, wire.NUMBER_MAX, random.below(way.counter + 2_000)])
        : way.counter + 1
    // A jump to the end of all counters would block all later forgeries in this direction.
    if (counter < way.counter + 3_000) way.counter = Math.max(way.counter, counter)
    return readdress(datagram, from, this.#profile, { handshake: false, slot: way.slot, counter, seed: way.seed })
  }

  #forgeHandshake(random: Random, datagram: Uint8Array, from: wire.Profile, to: string): Uint8Array {
    const { join, hint, loose } = wire.KIND
    const kind = wire.kindOf(datagram[11]!)
    const seal = { handshake: true, slot: 0, counter: 0, seed: ZERO_SEED }
    if (kind === hint) return readdress(this.#fillHint(random, datagram, to), from, this.#profile, seal)
    if (kind === loose) return readdress(datagram, from, this.#profile, seal)
    if (kind === join)
      return readdress(this.#fillToken(random, datagram, from), from, this.#profile, {
        ...seal,
        counter: 1 + random.below(3),
      })
    const attempt = this.#attempts.findLast((it) => it.from === to)
    if (attempt === undefined)
      return readdress(datagram, from, this.#profile, { ...seal, slot: 1 + random.below(9), counter: 1 })
    const { slot, counter, seed } = attempt
    return readdress(datagram, from, this.#profile, { handshake: true, slot, counter, seed })
  }

  /**
   * Puts a token into a join that was really issued for it. Without one, remembers the join, for a challenge that may
   * come.
   */
  #fillToken(random: Random, datagram: Uint8Array, profile: wire.Profile): Uint8Array {
    const out = datagram.slice()
    const view = viewOf(out)
    const body = wire.PREFIX_BYTES[profile]! + wire.PACKET_OVERHEAD_BYTES
    const given = this.#tokens.length === 0 ? undefined : pick(random, this.#tokens)
    // With an address the fields have other offsets; and a damaged join is forged as it is.
    if (
      out[body - 1] !== wire.KIND.join ||
      out.length < body + 250 ||
      wire.checkPackets(view, 0, out.length, profile) !== undefined
    )
      return out
    const before = wire.readJoin(view, body, 0)
    if (given === undefined || random.below(3) === 0) {
      this.#forged.set(before.slot, before.unique)
      return out
    }
    const { token, slot, unique } = given
    const join: wire.Join = {
      ...before,
      token,
      slot,
      unique,
      session: identity(random),
      receiverUnique: new Uint8Array(8),
    }
    // The accept tells where to send next, whichever machine the join claims to come from.
    const seed = wire.pseudoHeaderSeed({ receiverUnique: unique, receiverSession: join.session })
    for (const machine of MACHINES)
      this.#attempts.push({ from: machine, slot, counter: 1, unique, session: join.session, seed })
    wire.writeJoin(view, body, join, Math.max(out.length - wire.TAG_BYTES[profile]!, body + 200))
    return out
  }

  /** Fills in a slot and a counter that were really sent. */
  #fillHint(random: Random, datagram: Uint8Array, to: string): Uint8Array {
    const out = datagram.slice()
    const ways = this.#ways.filter((way) => way.to !== to)
    if (ways.length === 0 || out.length < 12 + wire.HINT_BYTES) return out
    const { slot, counter } = pick(random, ways)
    wire.writeHint(viewOf(out), 12, { slot, counter: Math.max(1, counter) })
    return out
  }
}
