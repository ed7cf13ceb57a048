/**
 * Many peers of one endpoint that cost hardly anything themselves: they join, open streams, acknowledge, and answer
 * heartbeats, with a row of numbers each. They serve to measure what peers cost the endpoint.
 */
import * as wire from "@x/wire"
import { ReplayWindow } from "../src/path/replay-window.ts"

const PROFILE = wire.PROFILE.checksum
const PREFIX = wire.PREFIX_BYTES[PROFILE]!
const TAG = wire.TAG_BYTES[PROFILE]!

/** Takes a datagram from a peer to the endpoint; the bytes are valid during the call. */
export type Post = (peer: number, bytes: Uint8Array, length: number) => void

export class FakePeers {
  joined = 0
  heartbeats = 0
  readonly #post: Post
  readonly #streams: number
  readonly #slots: Uint32Array
  readonly #counters: Float64Array
  /** What each has received, in a window of its own. */
  readonly #replays: ReplayWindow[]
  readonly #seeds: Uint32Array
  readonly #bytes = new Uint8Array(1_200)
  readonly #writer = new wire.PacketWriter(this.#bytes)
  readonly #cursor = new wire.PacketCursor()
  readonly #status = wire.createStatus()
  readonly #feedback = wire.createFeedback()
  #hub: Uint8Array = new Uint8Array(8)

  /** `streams`: how many each of them opens to the endpoint. */
  constructor(count: number, streams: number, post: Post) {
    this.#post = post
    this.#streams = streams
    this.#slots = new Uint32Array(count)
    this.#counters = new Float64Array(count)
    this.#replays = Array.from({ length: count }, () => new ReplayWindow())
    this.#seeds = new Uint32Array(count)
  }

  join(peer: number): void {
    this.#sendJoin(peer, 1, new Uint8Array(8), new Uint8Array(0))
  }

  hasJoined(peer: number): boolean {
    return this.#slots[peer] !== 0
  }

  /** A datagram from the endpoint. */
  receive(peer: number, view: DataView, offset: number, length: number): void {
    const isHandshake = wire.prefixHandshake(view, offset)
    const replay = this.#replays[peer]!
    const counter = wire.prefixCounter(view, offset)
    if (!isHandshake && replay.check(counter) === undefined) replay.commit(counter, wire.prefixNonce(view, offset))
    const cursor = this.#cursor
    cursor.start(view, offset, length, PROFILE)
    let isHeartbeat = false
    this.#begin()
    const empty = this.#writer.end
    while (cursor.next()) {
      const { kind, body, end, wanted } = cursor
      if (kind === wire.KIND.challenge) {
        const challenge = wire.readChallenge(view, body)
        this.#hub = challenge.unique
        return this.#sendJoin(peer, 2, session(peer), challenge.token)
      }
      if (kind === wire.KIND.accept) return this.#accepted(peer, wire.readAccept(view, body, cursor.addressForm))
      if (kind === wire.KIND.open) this.#writeStatus(wire.readOpen(view, body, end).stream, 0)
      else if (kind === wire.KIND.sequenced)
        this.#writeStatus(wire.readStream(view, body), wire.readPacketNumber(view, body) + 1)
      else if (kind === wire.KIND.heartbeat && wanted) isHeartbeat = true
    }
    if (isHeartbeat) {
      this.heartbeats++
      this.#writeFeedback(peer)
      this.#writer.begin(wire.KIND.heartbeat)
    }
    if (this.#writer.end > empty) this.#send(peer)
  }

  #accepted(peer: number, accept: wire.Accept): void {
    this.joined++
    this.#slots[peer] = accept.slot
    this.#seeds[peer] = wire.pseudoHeaderSeed({
      receiverUnique: this.#hub,
      senderUnique: unique(peer),
      receiverSession: accept.session,
      senderSession: session(peer),
    })
    this.#begin()
    for (let stream = 1; stream <= this.#streams; stream++) {
      const open = { stream, first: 0, mode: wire.MODE.reliable, priority: 128, metadata: new Uint8Array(0) }
      this.#writer.finish(wire.writeOpen(this.#writer.view, this.#writer.begin(wire.KIND.open), open))
    }
    this.#writer.begin(wire.KIND.heartbeat)
    this.#send(peer)
    this.#begin()
    for (let stream = 1; stream <= this.#streams; stream++) {
      const { view } = this.#writer
      const payload = wire.writeSequencedBody(
        view,
        this.#writer.begin(wire.KIND.sequenced),
        stream,
        0,
        wire.deliveryByte(wire.MODE.reliable, wire.FORM.whole),
      )
      this.#writer.finish(wire.writeWholeHeader(view, payload, 1, 10) + 10)
    }
    this.#send(peer)
  }

  #writeStatus(stream: number, cumulative: number): void {
    Object.assign(this.#status, { stream, cumulative })
    this.#writer.finish(wire.writeStatus(this.#writer.view, this.#writer.begin(wire.KIND.status), this.#status))
  }

  #writeFeedback(peer: number): void {
    const feedback = this.#feedback
    this.#replays[peer]!.tell(feedback, this.#bytes.length)
    feedback.datagrams = feedback.counter
    this.#writer.finish(wire.writeFeedback(this.#writer.view, this.#writer.begin(wire.KIND.feedback), feedback))
  }

  #sendJoin(peer: number, attempt: number, session: Uint8Array, token: Uint8Array): void {
    const join: wire.Join = {
      ...{
        address: undefined,
        versionMin: 0,
        versionMax: 0,
        slot: peer + 1,
        unique: unique(peer),
        session,
        receiverUnique: new Uint8Array(8),
      },
      limits: {
        datagramBytes: 1_200,
        inFlight: 1_024,
        spread: 16_384,
        streams: 1_000,
        messageBytes: 1_000_000,
        statusDelayMs: 25,
      },
      ...{ slotInUse: 0, order: 0, token, exchange: new Uint8Array(0) },
    }
    this.#begin()
    this.#writer.finish(
      wire.writeJoin(this.#writer.view, this.#writer.begin(wire.KIND.join), join, this.#bytes.length - TAG),
    )
    wire.writePrefix(this.#writer.view, 0, PROFILE, true, 0, attempt)
    wire.sealChecksum(this.#bytes, 0, this.#writer.end, wire.pseudoHeaderSeed({}))
    this.#post(peer, this.#bytes, this.#writer.end + TAG)
  }

  #begin(): void {
    this.#writer.start(PREFIX)
  }

  #send(peer: number): void {
    wire.writePrefix(this.#writer.view, 0, PROFILE, false, this.#slots[peer]!, ++this.#counters[peer]!)
    wire.sealChecksum(this.#bytes, 0, this.#writer.end, this.#seeds[peer]!)
    this.#post(peer, this.#bytes, this.#writer.end + TAG)
  }
}

function unique(peer: number): Uint8Array {
  return identity(peer, 1)
}

function session(peer: number): Uint8Array {
  return identity(peer, 2)
}

function identity(peer: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setUint32(0, peer + 1)
  bytes[7] = salt
  return bytes
}
