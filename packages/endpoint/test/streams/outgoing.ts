import { fixed } from "@x/endpoint"
import { PacketPool, RepeatPace, RttEstimator, streamOptions } from "@x/stream"
import {
  KIND,
  MODE,
  type Mode,
  PacketCursor,
  PROFILE,
  readStream,
  TAG_BYTES,
  wholeHeaderBytes,
  writeWholeHeader,
} from "@x/wire"
import { settingsOf } from "../../src/api/options.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import { SendSlabs } from "../../src/datagram/send-slabs.ts"
import { createScratch } from "../../src/datagram/scratch.ts"
import { Association } from "../../src/path/association.ts"
import { Path } from "../../src/path/path.ts"
import { HEAD_ROOM_BYTES } from "../../src/peer/stream-settings.ts"
import { Accounts } from "../../src/schedule/accounts.ts"
import { Quota } from "../../src/schedule/quota.ts"
import type { OutgoingState } from "../../src/streams/outgoing-state.ts"
import { OutgoingStreams } from "../../src/streams/outgoing-streams.ts"
import { Starved } from "../../src/streams/starved.ts"
import { Tap } from "../datagram/tap.ts"
import { LIMITS } from "../peer/limits.ts"

const PROFILE_USED = PROFILE.none

/** The streams to one peer, by themselves: a path, an outbox, and nobody on the other side. */
export class Outgoing {
  readonly tap = new Tap()
  readonly outgoing: OutgoingStreams
  readonly told: OutgoingState[] = []
  readonly starved = new Starved()
  path: Path
  /** For anything that may be due; and those of them, or others, for data alone. */
  wakes = 0
  dataWakes = 0
  refuted = 0
  readonly #rtt = new RttEstimator()
  readonly #outbox: Outbox
  readonly sendPool: PacketPool
  #slots = 1

  constructor(windowBytes = 1_000_000) {
    const settings = settingsOf({})
    const { transport } = this.tap
    const sendPool = new PacketPool({ slotBytes: HEAD_ROOM_BYTES + settings.datagramBytes, slotsMax: 1_024 })
    this.sendPool = sendPool
    const quota = new Quota(settings)
    this.#outbox = new Outbox(transport, PROFILE_USED, settings.datagramBytes, sendPool)
    this.path = this.makePath(windowBytes)
    const { payloadBytesMax } = this.path.size
    const sendOptions = streamOptions({
      ...{ payloadBytesMax, headRoomBytes: HEAD_ROOM_BYTES, tailRoomBytes: TAG_BYTES[PROFILE_USED]! },
      ...{ windowPackets: 256, windowBytes: 1_000_000, spreadPackets: 1_024, statusDelayMs: 25, peerStatusDelayMs: 25 },
    })
    const shared = { limits: LIMITS, metadataBytesMax: 100, sendOptions, pace: new RepeatPace() }
    const account = new Accounts(quota).open("peer")
    const pathOf = (): Path => this.path
    const peer = {
      ...{ ...shared, account },
      get path() {
        return pathOf()
      },
    }
    const slabs = new SendSlabs(sendPool, transport)
    const context = {
      outbox: this.#outbox,
      scratch: createScratch(),
      quota,
      sendPool,
      slabs,
      settings,
      starved: this.starved,
      drop: () => {},
    }
    const signals = {
      wake: () => void this.wakes++,
      wakeForData: () => void this.dataWakes++,
      hasten: () => {},
      refute: () => void this.refuted++,
      progress: (state: OutgoingState) => void this.told.push(state),
    }
    this.outgoing = new OutgoingStreams(peer, context, signals, 0)
  }

  makePath(windowBytes: number): Path {
    const settings = { ...settingsOf({}), congestion: fixed({ windowBytes, paceBytesPerMs: Infinity }) }
    const path = new Path({
      settings,
      limits: LIMITS,
      timerMs: 1,
      rtt: this.#rtt,
      random: () => 0,
      hasMarks: () => false,
      isLocal: () => false,
    })
    const slot = this.#slots++
    const around = { slot, remoteSlot: slot, address: slot, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 }
    path.association = new Association(around)
    return path
  }

  open(parts: { readonly mode?: Mode; readonly priority?: number; readonly weight?: number } = {}): OutgoingState {
    const { mode = MODE.reliable, priority = 128, weight = 1 } = parts
    return this.outgoing.open({ mode, priority, weight, metadata: new Uint8Array(0) }, 0)!
  }

  /** Writes messages of this size, one in each packet. */
  write(state: OutgoingState, messages: number, bytes = 1_000): void {
    const { stream } = state
    for (let i = 0; i < messages; i++) {
      const size = wholeHeaderBytes(bytes) + bytes
      stream.setTime(0)
      const offset = stream.reserve(size)
      writeWholeHeader(stream.view, offset, 1, bytes)
      stream.commit(size)
      stream.closePacket()
    }
    this.outgoing.touch(state)
  }

  /** Sends what window and quantum allow. Returns the streams of the packets sent, in order. */
  poll(quantumBytes = Infinity): number[] {
    const { association, gate } = this.path
    const before = this.tap.sent.length
    this.outgoing.enlist()
    gate.begin(association!.sent, 0)
    this.outgoing.pollData(association!, quantumBytes, 0)
    gate.end(this.outgoing.hasData, false)
    this.#outbox.flush()
    return this.tap.sent.slice(before).flatMap(({ bytes }) => streamsOf(bytes))
  }
}

function streamsOf(bytes: Uint8Array): number[] {
  const cursor = new PacketCursor()
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  cursor.start(view, 0, bytes.length, PROFILE_USED)
  const streams: number[] = []
  while (cursor.next()) if (cursor.kind === KIND.sequenced) streams.push(readStream(view, cursor.body))
  return streams
}
