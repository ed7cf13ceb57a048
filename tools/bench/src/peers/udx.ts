import type { Duplex } from "node:stream"
import UDX from "udx-native"
import { FramedLink } from "../frames.ts"
import type { Library, LinkOptions } from "../link.ts"

const LISTENER = 1
const CONNECTOR = 2

/** Streams over UDP in C, as used by Hyperswarm. */
export function udx(): Library {
  const open = (
    { own, other }: LinkOptions,
    id: number,
    otherId: number,
    port?: number,
  ): { readonly stream: Duplex; readonly port: number; join(port: number): void } => {
    const socket = new UDX().createSocket()
    socket.bind(port ?? 0, own)
    const stream = socket.udx.createStream(id, { highWaterMark: 1_048_576 })
    return { stream, port: socket.address().port, join: (to) => stream.connect(socket, otherId, to, other) }
  }
  return {
    settings: () => "length prefixes, a write for each turn or 64 KiB, highWaterMark 1 MiB",
    listen(options, onLink) {
      const { stream, port, join } = open(options, LISTENER, CONNECTOR)
      join(port + 1)
      onLink(new FramedLink(stream, true))
      return Promise.resolve(port)
    },
    connect(options, port) {
      // UDX has no handshake: each side has to know the other's port.
      const { stream, join } = open(options, CONNECTOR, LISTENER, port + 1)
      join(port)
      return Promise.resolve(new FramedLink(stream, true))
    },
  }
}
