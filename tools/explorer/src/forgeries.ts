/**
 * Datagrams of an attacker that sees none: well-formed, with valid checksums over data that it can't know. Slots are
 * small numbers with ten random bits; the attacker may guess those.
 */
import * as wire from "@x/wire"
import { type Incarnation, ownedBy, PROFILE_USED } from "./incarnation.ts"

export const FORGERIES = [
  "join without a token",
  "join with a token",
  "hint of a slot",
  "hint of a guessed slot",
  "goodbye",
  "goodbye to a guessed slot",
  "challenge to a guessed slot",
  "accept to a guessed slot",
  "refuse to a guessed slot",
] as const
export type Forgery = (typeof FORGERIES)[number]

const FOREIGN: Uint8Array = Uint8Array.of(0x66, 0x6f, 0x72, 0x65, 0x69, 0x67, 0x6e, 1)
const WRONG_SLOT = 0x2ff0_0000
const LIMITS: wire.Limits = {
  datagramBytes: 1_200,
  inFlight: 1_024,
  spread: 1_024,
  streams: 100,
  messageBytes: 1_000,
  statusDelayMs: 25,
}
const NONE = new Uint8Array(0)

export function forge(kind: Forgery, to: Incarnation): Uint8Array {
  const bytes = new Uint8Array(wire.DATAGRAM_BYTES_BASE)
  const writer = new wire.PacketWriter(bytes)
  const { view } = writer
  writer.start(wire.PREFIX_BYTES[PROFILE_USED]!)
  const [owner] = to.owners
  const slot = kind.endsWith("guessed slot")
    ? owner?.kind === "join"
      ? owner.pending.joiner.slot
      : owner && ownedBy(owner).association.slot
    : undefined
  let prefix = { isHandshake: true, slot: slot ?? WRONG_SLOT, counter: 1 }
  switch (kind) {
    case "join without a token":
    case "join with a token": {
      const token = kind === "join with a token" ? new Uint8Array(17) : NONE
      const session = token === NONE ? new Uint8Array(8) : FOREIGN
      const join = {
        address: undefined,
        versionMin: 0,
        versionMax: 0,
        slot: 77,
        unique: FOREIGN,
        session,
        receiverUnique: new Uint8Array(8),
      }
      writer.finish(
        wire.writeJoin(
          view,
          writer.begin(wire.KIND.join),
          { ...join, limits: LIMITS, slotInUse: 0, order: 0, token, exchange: NONE },
          1_000,
        ),
      )
      prefix = { isHandshake: true, slot: 0, counter: 1 }
      break
    }
    case "hint of a slot":
    case "hint of a guessed slot": {
      const guessed = owner?.kind === "association" && slot !== undefined ? owner.association.remoteSlot : WRONG_SLOT
      writer.finish(wire.writeHint(view, writer.begin(wire.KIND.hint), { slot: guessed, counter: 1 }))
      prefix = { isHandshake: true, slot: 0, counter: 0 }
      break
    }
    case "goodbye":
    case "goodbye to a guessed slot":
      writer.finish(
        wire.writeReasonText(view, writer.begin(wire.KIND.goodbye | wire.FLAG_WANTED), {
          reason: wire.REASON.closing,
          text: "",
        }),
      )
      prefix = { isHandshake: false, slot: slot ?? WRONG_SLOT, counter: 1_000 }
      break
    case "challenge to a guessed slot":
      writer.finish(
        wire.writeChallenge(view, writer.begin(wire.KIND.challenge), { unique: FOREIGN, token: new Uint8Array(17) }),
      )
      break
    case "accept to a guessed slot": {
      const accept = {
        address: undefined,
        version: 0,
        slot: 77,
        unique: FOREIGN,
        session: FOREIGN,
        limits: LIMITS,
        features: 0,
        exchange: NONE,
      }
      writer.finish(wire.writeAccept(view, writer.begin(wire.KIND.accept), accept, 1_000))
      break
    }
    case "refuse to a guessed slot":
      writer.finish(
        wire.writeReasonText(view, writer.begin(wire.KIND.refuse), { reason: wire.REASON.closing, text: "" }),
      )
      break
  }
  const length = writer.end
  wire.writePrefix(view, 0, PROFILE_USED, prefix.isHandshake, prefix.slot, prefix.counter)
  wire.sealChecksum(bytes, 0, length, wire.pseudoHeaderSeed({}))
  return bytes.slice(0, length + wire.TAG_BYTES[PROFILE_USED]!)
}
