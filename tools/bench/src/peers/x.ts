import { Endpoint, type EndpointOptions, type OutgoingStream, type Peer } from "@x/endpoint"
import type { Library, Link, LinkOptions, MessageHandler } from "../link.ts"

const TYPE = 1

function endpointOptions({ datagramBytes }: LinkOptions): EndpointOptions {
  return {
    ...{ v4: "127.0.0.1", v6: false, datagramBytes, receiveBufferBytes: 8 << 20 },
    ...{ windowBytes: 4 << 20, windowPackets: 4_096 },
  }
}

class StreamLink implements Link {
  readonly #stream: OutgoingStream
  handler: MessageHandler = () => {}

  constructor(peer: Peer) {
    this.#stream = peer.open()
  }

  send(bytes: Uint8Array): boolean {
    const result = this.#stream.trySend(TYPE, bytes)
    if (result === "sent") return true
    if (result === "parked") return false
    throw new Error(`a message was not taken: ${result}`)
  }

  onMessage(handler: MessageHandler): void {
    this.handler = handler
  }

  onWritable(writable: () => void): void {
    this.#stream.on("drain", writable)
  }
}

/** This library: reliable messages on one stream, profile `checksum`. */
export function x(): Library {
  const bind = async (options: LinkOptions, linkOf: () => StreamLink | undefined): Promise<Endpoint> => {
    const endpoint = await Endpoint.bind(endpointOptions(options))
    endpoint.handle(TYPE, ({ view, offset, length }) => linkOf()?.handler(view, offset, length))
    return endpoint
  }
  return {
    settings: ({ datagramBytes }) =>
      `one reliable stream, checksum, datagrams of ${datagramBytes} B, window 4 MiB, default congestion control`,
    async listen(options, onLink) {
      let link: StreamLink | undefined
      const endpoint = await bind(options, () => link)
      endpoint.on("joined", (peer) => {
        link = new StreamLink(peer)
        onLink(link)
      })
      return endpoint.addresses[0]!.port
    },
    async connect(options, port) {
      let link: StreamLink | undefined
      const endpoint = await bind(options, () => link)
      link = new StreamLink(await endpoint.join(`127.0.0.1:${port}`))
      return link
    },
  }
}
