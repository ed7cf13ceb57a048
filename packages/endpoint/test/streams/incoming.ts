import { AssemblyBudget } from "@x/fragment"
import { PacketPool, RepeatPace, RttEstimator, streamOptions } from "@x/stream"
import * as wire from "@x/wire"
import { settingsOf } from "../../src/api/options.ts"
import { ControlWriter } from "../../src/datagram/control-writer.ts"
import { Outbox } from "../../src/datagram/outbox.ts"
import { createScratch } from "../../src/datagram/scratch.ts"
import { Association } from "../../src/path/association.ts"
import { HEAD_ROOM_BYTES } from "../../src/peer/stream-settings.ts"
import { Accounts } from "../../src/schedule/accounts.ts"
import { Quota } from "../../src/schedule/quota.ts"
import { Dispatch } from "../../src/streams/dispatch.ts"
import type { IncomingPeer } from "../../src/streams/incoming-context.ts"
import { IncomingStreams } from "../../src/streams/incoming-streams.ts"
import type { StreamEvent } from "../../src/streams/stream-events.ts"
import { Tap } from "../datagram/tap.ts"

const PROFILE_USED = wire.PROFILE.none

/** What was sent about a stream. */
export interface Said {
  readonly kind: "status" | "stop"
  readonly stream: number
  /** Of a status: the number of the first missing packet, and whether the stream is over. */
  readonly cumulative?: number
  readonly isClosed?: boolean
}

/** The streams from one peer, by themselves: an outbox, and nobody on the other side. */
export class Incoming {
  readonly tap = new Tap()
  readonly incoming: IncomingStreams<IncomingPeer>
  readonly events: StreamEvent<IncomingPeer>[] = []
  readonly drops: string[] = []
  /** What was handed over: the stream and the bytes of each message. */
  readonly messages: [number, number][] = []
  readonly #dispatch: Dispatch
  readonly #control: ControlWriter
  readonly #outbox: Outbox
  readonly #association: Association

  constructor(streamsMax = 4) {
    const settings = { ...settingsOf({}), streamsMax, streamsTotalMax: 100 }
    const quota = new Quota(settings)
    const pool = new PacketPool({ slotBytes: settings.datagramBytes, slotsMax: 1_024 })
    this.#outbox = new Outbox(this.tap.transport, PROFILE_USED, settings.datagramBytes, pool)
    this.#control = new ControlWriter(this.#outbox)
    const slots = { slot: 1, remoteSlot: 1, address: 1 }
    this.#association = new Association({ ...slots, isOurs: true, order: 0, inFlightMax: 64, nowMs: 0 })
    const scratch = createScratch()
    const drop = (reason: string): void => void this.drops.push(reason)
    this.#dispatch = new Dispatch({ scratch, queues: { isTight: false }, drop })
    const context = {
      ...{
        settings,
        quota,
        scratch,
        pool,
        drop,
        events: this.events,
        dispatch: this.#dispatch,
        wake: () => {},
        wakeForData: () => {},
      },
      budget: new AssemblyBudget(settings.assemblyBytesMax),
    }
    const payloadBytesMax = 1_400
    const peer: IncomingPeer = {
      ...{
        rtt: new RttEstimator(),
        pace: new RepeatPace(),
        account: new Accounts(quota).open("peer"),
        handleData: () => {},
      },
      ...{ payloadBytesMax, spreadPackets: 1_024 },
      receiveOptions: streamOptions({
        ...{ payloadBytesMax, headRoomBytes: HEAD_ROOM_BYTES, tailRoomBytes: 0, windowPackets: 256 },
        ...{ windowBytes: 1_000_000, spreadPackets: 1_024, statusDelayMs: 25, peerStatusDelayMs: 25 },
      }),
    }
    this.incoming = new IncomingStreams(peer, context, 0)
  }

  /** The peer opens these streams. */
  open(...ids: number[]): void {
    const parts = { mode: wire.MODE.reliable, priority: 128, metadata: new Uint8Array(0) }
    for (const stream of ids) this.incoming.handleOpen({ stream, first: 0, ...parts }, 0)
  }

  /** Takes in the packets of a datagram, and hands over their messages. */
  deliver(bytes: Uint8Array, nowMs = 0): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const cursor = new wire.PacketCursor()
    cursor.start(view, 0, bytes.length, PROFILE_USED)
    while (cursor.next()) {
      if (cursor.kind !== wire.KIND.sequenced) continue
      this.incoming.handleSequenced(view, bytes, cursor.body, cursor.end, false, nowMs)
      this.#handOver(nowMs)
    }
  }

  /** Takes in a sync that says what lies below the low mark is acknowledged or gone; hands over what that lets go on. */
  sync(sync: Omit<wire.Sync, "gone">, nowMs = 0): void {
    const view = new DataView(new ArrayBuffer(100))
    wire.writeSync(view, 0, { ...sync, gone: wire.createSync().gone })
    this.incoming.handleSync(view, 0, false, nowMs)
    this.#handOver(nowMs)
  }

  #handOver(nowMs: number): void {
    while (this.#dispatch.isBusy) {
      if (!this.#dispatch.poll(nowMs)) continue
      const { stream, length } = this.#dispatch.message
      this.messages.push([stream.id, length])
    }
  }

  /** Sends what is due. */
  say(nowMs: number): Said[] {
    const before = this.tap.sent.length
    this.#control.start(this.#association, 1_400, nowMs)
    this.incoming.compose(this.#control, nowMs)
    this.#control.post()
    this.#outbox.flush()
    return this.tap.sent.slice(before).flatMap(({ bytes }) => saidIn(bytes))
  }
}

function saidIn(bytes: Uint8Array): Said[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const cursor = new wire.PacketCursor()
  const status = wire.createStatus()
  const said: Said[] = []
  cursor.start(view, 0, bytes.length, PROFILE_USED)
  while (cursor.next()) {
    if (cursor.kind === wire.KIND.status) {
      wire.readStatus(view, cursor.body, status)
      const { stream, cumulative, state } = status
      said.push({ kind: "status", stream, cumulative, isClosed: (state & wire.STATUS.closed) !== 0 })
    }
    if (cursor.kind === wire.KIND.stop) said.push({ kind: "stop", stream: wire.readStop(view, cursor.body).stream })
  }
  return said
}
