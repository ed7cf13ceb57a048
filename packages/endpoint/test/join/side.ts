import { PacketPool } from "@x/stream"
import { createNetwork } from "@x/transport/simulated"
import { type Limits, prefixSlot, PROFILE } from "@x/wire"
import { settingsOf } from "../../src/api/options.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import type { JoinEvent, JoinOwner, KnownPeer } from "../../src/join/established.ts"
import { Joins } from "../../src/join/joins.ts"
import { SealedHandshakes } from "../../src/keys/sealed-handshakes.ts"
import { Associations } from "../../src/path/associations.ts"
import { SlotTable } from "../../src/path/slots.ts"
import { Tap } from "../datagram/tap.ts"
import { LIMITS } from "../peer/limits.ts"

/** One side's joins by themselves: no peers, no loop. Its datagrams wait to be carried. */
export class Side {
  readonly tap = new Tap()
  readonly unique: Uint8Array
  readonly slots = new SlotTable<JoinOwner>()
  readonly joins: Joins
  readonly known: KnownPeer[] = []
  readonly drops: string[] = []
  readonly #outbox: Outbox
  #draws = 0

  /** `secret`: its datagrams are sealed with keys derived from it. */
  constructor(
    id: number,
    { limits = LIMITS, secret }: { readonly limits?: Limits; readonly secret?: Uint8Array } = {},
  ) {
    const { transport } = this.tap
    const settings = { ...settingsOf({}), profile: secret === undefined ? PROFILE.none : PROFILE.mac }
    const unique = new Uint8Array(8).fill(id)
    this.unique = unique
    this.#outbox = new Outbox(transport, settings.profile, 1_472, new PacketPool({ slotBytes: 1_472, slotsMax: 4 }))
    const outbox = this.#outbox
    const { slots } = this
    const cookies = {
      entropy: (out: Uint8Array): void => {
        out.fill(id).fill(++this.#draws, 1)
        if (this.#draws > 255) out[2] = this.#draws >>> 8
      },
      hmacSha256: (key: Uint8Array, data: Uint8Array): Uint8Array =>
        Uint8Array.from({ length: 32 }, (_, i) => key[i]! ^ data[i % data.length]!),
    }
    const crypto = secret && createNetwork({ seed: id }).host("a").crypto
    const sealed =
      crypto &&
      new SealedHandshakes({ crypto, identity: undefined, entropy: cookies.entropy }, [secret], settings.datagramBytes)
    const associations = new Associations({
      transport,
      settings,
      unique,
      crypto,
      slots,
      waiting: outbox,
      entropy: cookies.entropy,
      inFlightMax: 64,
    })
    const is = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
    const known = this.known
    this.joins = new Joins({
      ...{ own: { unique, limits }, settings, transport, outbox, associations, sealed, cookies, nowMs: 0 },
      slots: {
        take: (at) => slots.take(id, at),
        set: (slot, owner) => slots.set(slot, owner),
        free: (slot, at) => slots.free(slot, at),
      },
      peers: {
        get size() {
          return known.length
        },
        countOfHost: () => known.length,
        countOfKey: () => 0,
        get: (of) => known.find(({ session }) => is(session.unique, of)),
        hasUnique: (of) => known.some(({ session }) => is(session.unique, of)),
        at: (address) => known.find(({ association }) => association?.address === address),
        othersAt: () => [],
      },
    })
  }

  /** Takes what it has written, which then goes nowhere. */
  written(): Tap["sent"] {
    this.#outbox.flush()
    return this.tap.sent.splice(0)
  }

  /** Carries its datagrams to the other side, where this side has this address. */
  carry(to: Side, address: number, nowMs: number): number {
    this.#outbox.flush()
    const sent = this.tap.sent.splice(0)
    for (const { bytes } of sent) {
      const view = new DataView(bytes.buffer)
      const owner = to.slots.get(prefixSlot(view, 0))
      const pending = owner?.kind === "join" ? owner.pending : undefined
      const drop = to.joins.receive({ view, bytes, offset: 0, length: bytes.length, address }, pending, nowMs)
      if (drop !== undefined) to.drops.push(drop)
    }
    return sent.length
  }

  events(): JoinEvent[] {
    const events: JoinEvent[] = []
    for (let event = this.joins.pollEvent(); event !== undefined; event = this.joins.pollEvent()) events.push(event)
    return events
  }
}
