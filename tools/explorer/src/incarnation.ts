/**
 * One incarnation of a side: the real protocol over a transport that hands every datagram to the model, with entropy
 * that a replay draws again.
 */
import type { Capabilities, ReceiveBatch, Sealer, SendBatch, Transport } from "@x/transport/host"
import { MODE, PROFILE, wholeHeaderBytes, writeWholeHeader } from "@x/wire"
import { settingsOf } from "../../../packages/endpoint/src/api/options.ts"
import { toHex } from "../../../packages/endpoint/src/keys/identity.ts"
import type { JoinFailure } from "../../../packages/endpoint/src/join/join-call.ts"
import type { Association } from "../../../packages/endpoint/src/path/association.ts"
import type { Session } from "../../../packages/endpoint/src/path/session.ts"
import type { ProtocolEvent } from "../../../packages/endpoint/src/protocol/events.ts"
import type { PeerState } from "../../../packages/endpoint/src/peer/peer-state.ts"
import { Protocol } from "../../../packages/endpoint/src/protocol/protocol.ts"
import type { SlotOwner } from "../../../packages/endpoint/src/protocol/slot-owner.ts"

export type SideName = "A" | "B"
export const SIDES: readonly SideName[] = ["A", "B"]

export function otherOf(side: SideName): SideName {
  return side === "A" ? "B" : "A"
}

/** The direction of an association that a datagram was sent on. */
export interface Way {
  readonly unique: string
  readonly peerUnique: string
  readonly session: string
  readonly peerSession: string
}

/** Hears the events of an incarnation. */
export interface Observer {
  onSend(from: Incarnation, bytes: Uint8Array, way: Way | undefined): void
  onJoined(at: Incarnation, peer: PeerState): void
  onReplaced(at: Incarnation, before: PeerState, after: PeerState): void
  onLeft(at: Incarnation, peer: PeerState, reason: number): void
  onJoinFailed(at: Incarnation, failure: JoinFailure): void
}

/** Times short enough that a fair continuation takes few steps. */
const SETTINGS = settingsOf({
  heartbeatMs: 200,
  unreachableMs: 1_000,
  leaveMs: 2_000,
  halfOpenMax: 4,
  halfOpenPerHostMax: 4,
  peersMax: 4,
  messageBytesMax: 1_000,
  poolPacketsMax: 64,
  sendPoolPacketsMax: 64,
})
export const PROFILE_USED: typeof PROFILE.checksum = PROFILE.checksum
const JOIN_TIMEOUT_MS = 5_000
const DATAGRAM_BYTES_MAX = 2_048
/** Ids of the addresses at every transport. */
export const ADDRESS_IDS: Readonly<Record<SideName, number>> = { A: 1, B: 2 }

/**
 * First byte of the uniques, by side and incarnation: successors are in turn above and below the other side's unique in
 * the order that breaks ties.
 */
const UNIQUES: Readonly<Record<SideName, readonly number[]>> = { A: [0x20, 0x60], B: [0x40, 0x10] }

export class Incarnation {
  readonly side: SideName
  readonly number: number
  readonly protocol: Protocol
  readonly unique: string
  /** The application's join is still under way: it has neither failed nor succeeded. */
  isJoining = false
  /** The application wants the other side. */
  isWilling = false
  messages = 0
  readonly #sealers = new Map<number, Sealer>()
  readonly #slabs: Uint8Array[] = []
  #draws = 0

  constructor(side: SideName, number: number, nowMs: number, observer: Observer) {
    this.side = side
    this.number = number
    this.#observer = observer
    this.protocol = new Protocol({
      settings: SETTINGS,
      transport: this.#makeTransport(),
      queues: { isTight: false },
      // Always the same slots: a datagram for another incarnation must never be rejected just because the slots differ
      // by chance.
      random: () => 0,
      cookies: { entropy: (out) => this.#draw(out), hmacSha256: mixed },
      nowMs,
      onWork: () => {},
    })
    this.unique = textOf(this.protocol.unique)
  }

  readonly #observer: Observer

  join(nowMs: number): void {
    this.isJoining = this.isWilling = true
    const call = this.protocol.callJoin(JOIN_TIMEOUT_MS, nowMs)
    this.protocol.join(call, { addresses: [ADDRESS_IDS[otherOf(this.side)]] }, nowMs)
    this.#drain(nowMs)
  }

  /** The peer that the application holds. */
  get held(): PeerState | undefined {
    for (const peer of this.protocol.peers.values())
      if (peer.liveness === "joined" || peer.liveness === "unreachable") return peer
    return undefined
  }

  /** The owners of the slots. */
  get owners(): SlotOwner[] {
    const { slots } = fieldsOf<{ slots: object }>(this.protocol)
    return fieldsOf<{ values: (SlotOwner | undefined)[] }>(slots).values.filter((owner) => owner !== undefined)
  }

  /** Associations, complete or half open, and the session of each. */
  get associations(): OwnedAssociation[] {
    return this.owners.flatMap((owner) => (owner.kind === "join" ? [] : [ownedBy(owner)]))
  }

  receive(bytes: Uint8Array, nowMs: number): void {
    const one = (value: number): Int32Array => Int32Array.of(value)
    const batch: ReceiveBatch = {
      ...{ count: 1, slabs: [bytes.slice()], slab: one(0), offset: one(0), length: one(bytes.length) },
      ...{
        address: one(ADDRESS_IDS[otherOf(this.side)]),
        opener: one(0),
        verdict: new Uint8Array(1),
        ecn: new Uint8Array(1),
      },
    }
    this.protocol.receive(batch, nowMs)
    this.#drain(nowMs)
  }

  /** Takes the protocol's output, as the driver does. */
  #drain(nowMs: number): void {
    const { protocol } = this
    for (;;) {
      for (let event = protocol.pollEvent(); event !== undefined; event = protocol.pollEvent()) this.#tell(event)
      if (protocol.pollMessage(nowMs)) this.messages++
      else if (!protocol.hasEvents) return
    }
  }

  #tell(event: ProtocolEvent): void {
    if (event.kind === "joined") this.#observer.onJoined(this, event.peer)
    else if (event.kind === "replaced") this.#observer.onReplaced(this, event.before, event.peer)
    else if (event.kind === "left") this.#observer.onLeft(this, event.peer, event.why.reason)
    else if (event.kind === "join-settled") {
      this.isJoining = false
      if ("kind" in event.result) this.#observer.onJoinFailed(this, event.result)
    } else if (event.kind === "progress") event.stream.isTold = false
  }

  /** A turn of the event loop, as in the driver. */
  run(nowMs: number, mayJudge: boolean): void {
    for (let turn = 0; turn === 0 || this.protocol.nextTimeoutMs === -Infinity; turn++) {
      if (turn > 100) throw new Error("a side is busy without time passing")
      this.protocol.closePackets()
      this.protocol.poll(nowMs, mayJudge)
      this.#drain(nowMs)
    }
  }

  /** Sends a message on a new stream. */
  say(peer: PeerState, nowMs: number): void {
    const state = peer.outgoing.open(
      { mode: MODE.reliable, priority: 128, weight: 1, metadata: new Uint8Array(0) },
      nowMs,
    )!
    const { stream } = state
    const size = wholeHeaderBytes(1) + 1
    const offset = stream.reserve(size)
    const at = writeWholeHeader(stream.view, offset, 1, 1)
    stream.view.setUint8(at, this.number)
    stream.setTime(nowMs)
    stream.commit(size)
    stream.closePacket()
    stream.end(nowMs)
    peer.outgoing.touch(state)
  }

  #draw(out: Uint8Array): void {
    const isUnique = this.#draws === 0
    const seed = Uint8Array.of(this.side.charCodeAt(0), this.number, this.#draws >> 8, this.#draws++ & 255)
    out.set(mixed(seed, seed).subarray(0, out.length))
    if (isUnique) out[0] = UNIQUES[this.side][this.number]!
  }

  #makeTransport(): Transport {
    let sealers = 0
    const transport: Partial<Transport> = {
      capabilities: { receiveBufferBytes: 1_048_576, timerMs: 1, families: [4] } as unknown as Capabilities,
      registerSlab: (bytes) => this.#slabs.push(bytes) - 1,
      releaseSlab: () => {},
      retainAddress: () => {},
      releaseAddress: () => {},
      addressOf: (id) => ({ family: 4, host: id === ADDRESS_IDS.A ? "10.0.0.1" : "10.0.0.2", port: 4_000 }),
      registerSealer: (sealer) => {
        this.#sealers.set(++sealers, sealer)
        return sealers
      },
      releaseSealer: (id) => void this.#sealers.delete(id),
      send: (batch) => this.#send(batch),
      open: (batch) => {
        for (let row = 0; row < batch.count; row++) {
          const opener = batch.opener[row]!
          const isGood =
            opener !== 0 && this.#sealers.get(opener)!.open(batch.slabs[0]!, batch.offset[row]!, batch.length[row]!)
          batch.verdict[row] = isGood ? 1 : 0
        }
      },
    }
    return transport as Transport
  }

  #send(batch: SendBatch): number {
    for (let row = 0; row < batch.count; row++) {
      const slab = this.#slabs[batch.slab[row]!]!
      const offset = batch.offset[row]!
      const id = batch.sealer[row]!
      let length = batch.length[row]!
      if (id !== 0) {
        const sealer = this.#sealers.get(id)!
        sealer.seal(slab, offset, length, slab, offset)
        length += sealer.tagBytes
      }
      if (length > DATAGRAM_BYTES_MAX) throw new Error(`a datagram of ${length} B`)
      this.#observer.onSend(this, slab.slice(offset, offset + length), id === 0 ? undefined : this.#wayOf(id))
    }
    return batch.count
  }

  #wayOf(sealer: number): Way | undefined {
    for (const { session, association } of this.associations)
      if (association.protection.sealer === sealer) {
        const { unique, local, remote } = session
        return { unique: this.unique, peerUnique: textOf(unique), session: textOf(local), peerSession: textOf(remote) }
      }
    return undefined
  }
}

/** An association that a slot leads to. */
export interface OwnedAssociation {
  readonly session: Session
  readonly association: Association
  readonly isConfirmed: boolean
}

export function ownedBy(owner: Exclude<SlotOwner, { kind: "join" }>): OwnedAssociation {
  if (owner.kind === "half-open") return { ...owner.entry, isConfirmed: false }
  return { session: owner.peer.session, association: owner.association, isConfirmed: true }
}

const texts = new WeakMap<Uint8Array, string>()

/** Identities are replaced, never written to. */
export function textOf(identity: Uint8Array): string {
  let text = texts.get(identity)
  if (text === undefined) texts.set(identity, (text = toHex(identity)))
  return text
}

/** An object's private fields, which `load.mjs` has made public. */
export function fieldsOf<T>(owner: object): T {
  return new Proxy(owner, { get: (target, name) => Reflect.get(target, `p$${String(name)}`) as unknown }) as T
}

/** Stands in for HMAC: nothing in the model inverts it. */
function mixed(key: Uint8Array, data: Uint8Array): Uint8Array {
  const words = new Uint32Array(8)
  for (let lane = 0; lane < words.length; lane++) {
    let hash = (0x811c9dc5 ^ Math.imul(lane + 1, 0x9e3779b1)) >>> 0
    for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
    for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0
    words[lane] = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0
  }
  return new Uint8Array(words.buffer)
}
