/** The options of streams to and from a peer, within the limits of both ends. */

import { type StreamOptions, streamOptions } from "@x/stream"
import { type Limits, TAG_BYTES } from "@x/wire"
import { type Settings, spreadOf } from "../settings.ts"

/** Room before a payload for prefix and header, aligned to a word. */
export const HEAD_ROOM_BYTES = 24

/** Room around a payload, as all streams of an endpoint have it. */
export function roomAround({
  profile,
}: Pick<Settings, "profile">): Pick<StreamOptions, "headRoomBytes" | "tailRoomBytes"> {
  return { headRoomBytes: HEAD_ROOM_BYTES, tailRoomBytes: TAG_BYTES[profile]! }
}

export class StreamSettings {
  readonly #settings: Settings
  readonly #limits: Limits
  #sending: StreamOptions | undefined
  #receiving: StreamOptions | undefined

  /** `limits`: what the peer announced of itself. */
  constructor(settings: Settings, limits: Limits) {
    this.#settings = settings
    this.#limits = limits
  }

  /** Options of streams to the peer. `payloadBytesMax`: what the path carries now. */
  sending(payloadBytesMax: number): StreamOptions {
    if (this.#sending?.payloadBytesMax !== payloadBytesMax)
      this.#sending = this.#make(payloadBytesMax, Math.min(this.#settings.spreadPackets, this.#limits.spread))
    return this.#sending
  }

  /** Options of streams from the peer: it is held to the spread that it was told. */
  receiving(payloadBytesMax: number): StreamOptions {
    return (this.#receiving ??= this.#make(payloadBytesMax, spreadOf(this.#settings)))
  }

  #make(payloadBytesMax: number, spreadPackets: number): StreamOptions {
    const { windowPackets, windowBytes, statusDelayMs } = this.#settings
    return streamOptions({
      payloadBytesMax,
      ...{ windowBytes, spreadPackets, statusDelayMs },
      ...roomAround(this.#settings),
      windowPackets: Math.min(windowPackets, spreadPackets),
      peerStatusDelayMs: this.#limits.statusDelayMs,
    })
  }
}
