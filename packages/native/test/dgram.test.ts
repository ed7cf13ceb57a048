import { createSocket, type Socket } from "node:dgram"
import { once } from "node:events"
import { describe, expect, test } from "vitest"
import { close, getOption, openSocket } from "../src/index.ts"
import { noHelper, titled } from "./support/skip.ts"
import { noV6 } from "../../../tools/testkit/src/loopback.ts"

/** Passes a socket of the helper to dgram, as every user of this package does. */
async function adopt(family: 4 | 6, host: string): Promise<{ socket: Socket; fd: number; port: number }> {
  const { fd, port } = openSocket({ family, host })
  const socket = createSocket(family === 4 ? "udp4" : "udp6")
  // Before bind: with a given descriptor, dgram emits "listening" before bind returns.
  const listening = once(socket, "listening")
  socket.bind({ fd })
  await listening
  return { socket, fd, port }
}

describe.skipIf(noHelper !== undefined)(titled("a socket handed to dgram", noHelper), () => {
  test.for([
    [4, "127.0.0.1"],
    [6, "::1"],
  ] as const)("sends and receives over v%i, and knows its address", async ([family, host], { skip }) => {
    skip(family === 6 && noV6 !== undefined, noV6)
    const a = await adopt(family, host)
    const b = await adopt(family, host)
    expect(a.socket.address()).toMatchObject({ address: host, port: a.port })
    const there = once(b.socket, "message")
    a.socket.send("ping", b.port, host)
    const [ping, from] = await there
    expect(String(ping)).toBe("ping")
    expect(from.port).toBe(a.port)
    const back = once(a.socket, "message")
    b.socket.send("pong", from.port, from.address)
    expect(String((await back)[0])).toBe("pong")
    a.socket.close()
    b.socket.close()
  })

  test("keeps its options, and is dgram's to close", async () => {
    const { socket, fd, port } = await adopt(4, "127.0.0.1")
    if (process.platform === "linux") expect(getOption(fd, "IPPROTO_IP", "IP_MTU_DISCOVER")).toBe(3)
    socket.close()
    await once(socket, "close")
    // The port is free again: a descriptor left open would prevent that.
    close(openSocket({ family: 4, host: "127.0.0.1", port }).fd)
  })
})
