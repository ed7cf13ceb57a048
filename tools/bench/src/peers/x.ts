import * as exported from "@x/endpoint"
import {
  type CongestionFactory,
  Endpoint,
  fixed,
  type EndpointOptions,
  type OutgoingStream,
  type Peer,
} from "@x/endpoint"
import { LARGE_BYTES, type Library, type Link, type LinkOptions, type MessageHandler } from "../link.ts"

const TYPE = 1
const TRANSFER = { transfer: true }
/** The most messages offered but not yet in the window. */
const LARGE_UNDER_WAY = 2

/** Known to both processes, and to every reader of this file. */
const SECRETS = ["what nobody else knows, in a bench"]

export interface XOptions {
  /** Sends at this rate, whatever is lost; default: as the congestion control allows. */
  readonly paceBytesPerMs?: number
  readonly protection?: "checksum" | "mac" | "aead"
  /** With its default options, and those that the run names. */
  readonly isDefault?: boolean
  /** How large messages are sent: default `send`, which borrows them. */
  readonly large?: LargeWay
}

/** `transfer`: by `trySend` too; each message is made in memory of its own, which goes with it. */
export type LargeWay = "send" | "trySend" | "transfer"

function endpointOptions(
  { own, datagramBytes, options = {} }: LinkOptions,
  { paceBytesPerMs, protection = "checksum", isDefault = false }: XOptions,
): EndpointOptions {
  // Other hosts reach it only if that is requested. On loopback it takes the address that the run names.
  if (isDefault) return { ...(own.startsWith("127.") ? { v4: own, v6: false } : { protection }), ...named(options) }
  return {
    // Some links are between network namespaces, so binding to loopback alone isn't enough.
    ...(protection === "checksum" ? { protection } : { protection, secrets: SECRETS }),
    ...{ v4: own, v6: false, datagramBytes, receiveBufferBytes: 8 << 20 },
    ...{ windowBytes: 4 << 20, windowPackets: 4_096 },
    ...(paceBytesPerMs === undefined ? {} : { congestion: fixed({ windowBytes: 4 << 20, paceBytesPerMs }) }),
  }
}

/** Options by name; a controller is named by the function that makes it, with its own options beside it. */
function named({ congestion, ...others }: Readonly<Record<string, unknown>>): EndpointOptions {
  if (!Array.isArray(congestion)) return others
  const [name, how] = congestion as [string, object]
  const make = (exported as Readonly<Record<string, unknown>>)[name]
  if (typeof make !== "function") throw new Error(`@x/endpoint has no congestion controller "${name}"`)
  return { ...others, congestion: (make as (how: object) => CongestionFactory)(how) }
}

class StreamLink implements Link {
  readonly #stream: OutgoingStream
  readonly #large: LargeWay
  handler: MessageHandler = () => {}
  #writable = (): void => {}
  #under = 0

  constructor(peer: Peer, large: LargeWay = "send") {
    this.#stream = peer.open()
    this.#large = large
  }

  send(bytes: Uint8Array): boolean {
    const isLarge = bytes.length >= LARGE_BYTES
    if (isLarge && this.#large === "send") return this.#sendLarge(bytes)
    const result =
      isLarge && this.#large === "transfer"
        ? this.#stream.trySend(TYPE, new Uint8Array(bytes), TRANSFER)
        : this.#stream.trySend(TYPE, bytes)
    if (result === "sent") return true
    if (result === "parked") return false
    throw new Error(`a message was not taken: ${result}`)
  }

  onMessage(handler: MessageHandler): void {
    this.handler = handler
  }

  onWritable(writable: () => void): void {
    this.#writable = writable
    this.#stream.on("drain", writable)
  }

  #sendLarge(bytes: Uint8Array): boolean {
    this.#under++
    void this.#stream.send(TYPE, bytes).then(() => {
      if (--this.#under === LARGE_UNDER_WAY - 1) this.#writable()
    })
    return this.#under < LARGE_UNDER_WAY
  }
}

/** This library: reliable messages on one stream. */
export function x(how: XOptions = {}): Library {
  const { paceBytesPerMs, protection = "checksum", isDefault = false } = how
  const bind = async (options: LinkOptions, linkOf: () => StreamLink | undefined): Promise<Endpoint> => {
    const endpoint = await Endpoint.bind(endpointOptions(options, how))
    endpoint.handle(TYPE, ({ view, offset, length }) => linkOf()?.handler(view, offset, length))
    return endpoint
  }
  return {
    settings: ({ datagramBytes, options = {} }) =>
      isDefault
        ? `one reliable stream, ${protection}${how.large === undefined ? "" : `, ${how.large}`}, ${Object.keys(options).length === 0 ? "default options" : JSON.stringify(options)}`
        : `one reliable stream, ${protection}, datagrams of ${datagramBytes} B, window 4 MiB, ${paceBytesPerMs === undefined ? "default congestion control" : `fixed at ${(paceBytesPerMs * 8) / 1e6} Gbit/s`}`,
    async listen(options, onLink) {
      let link: StreamLink | undefined
      const endpoint = await bind(options, () => link)
      endpoint.on("joined", (peer) => {
        link = new StreamLink(peer, how.large)
        onLink(link)
      })
      return endpoint.addresses[0]!.port
    },
    async connect(options, port) {
      const links: StreamLink[] = []
      const endpoint = await bind(options, () => links[0])
      links.push(new StreamLink(await endpoint.join(`${options.other}:${port}`), how.large))
      return links[0]!
    },
  }
}
