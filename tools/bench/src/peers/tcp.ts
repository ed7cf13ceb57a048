import { connect, createServer, type Socket } from "node:net"
import { FramedLink } from "../frames.ts"
import type { Library } from "../link.ts"

const HIGH_WATER_MARK = 1_048_576

/** `node:net`, with Nagle's delay off. */
export function tcp(isCoalesced: boolean): Library {
  const linkOf = (socket: Socket): FramedLink => {
    socket.setNoDelay(true)
    return new FramedLink(socket, isCoalesced)
  }
  return {
    settings: () =>
      `noDelay, ${isCoalesced ? "length prefixes, a write for each turn or 64 KiB" : "a write for each message"}, highWaterMark 1 MiB`,
    listen: ({ own }, onLink) =>
      new Promise((resolve) => {
        const server = createServer({ highWaterMark: HIGH_WATER_MARK }, (socket) => onLink(linkOf(socket)))
        server.listen(0, own, () => resolve((server.address() as { readonly port: number }).port))
      }),
    connect: ({ other }, port) =>
      new Promise((resolve) => {
        const socket = connect({ port, host: other, ...{ highWaterMark: HIGH_WATER_MARK } })
        socket.once("connect", () => resolve(linkOf(socket)))
      }),
  }
}
