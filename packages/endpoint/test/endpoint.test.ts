import type { BindOptions } from "@x/transport/host"
import { createNetwork } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { Endpoint } from "../src/api/endpoint.ts"
import { makePair, pattern } from "./world.ts"

test("a message sent is a message received", async () => {
  const { network, b, toB } = await makePair(1)
  const received: Uint8Array[] = []
  b.handle(7, (message) => received.push(message.copy()))
  const stream = toB.open()
  expect(stream.trySend(7, pattern(10))).toBe("sent")
  await network.until(stream.flush())
  expect(received).toEqual([pattern(10)])
})

test("messages of 0 B, of exactly one packet, of 16 MiB arrive as they were, and one byte more is too large", async () => {
  const { network, b, toB } = await makePair(2)
  const received: Uint8Array[] = []
  b.handle(7, (message) => received.push(message.copy()))
  const stream = toB.open()
  const MIB16 = 16 * 1_048_576
  // 1200 B less 27 B around a payload and 4 B around a message of more than 127 B.
  for (const length of [0, 1_169, 1_170, MIB16]) {
    await network.until(stream.send(7, pattern(length)), 600_000)
    await network.until(stream.flush(), 600_000)
    expect(received.at(-1)?.length).toBe(length)
    expect(Buffer.compare(received.at(-1)!, pattern(length))).toBe(0)
  }
  expect(stream.trySend(7, new Uint8Array(MIB16 + 1))).toBe("too-large")
  await expect(stream.send(7, new Uint8Array(MIB16 + 1))).rejects.toMatchObject({ code: "too-large" })
})

test("an endpoint is on loopback only, unless checksums are asked for by name", async () => {
  const asked: BindOptions[] = []
  const network = createNetwork({ seed: 3 })
  const host = network.host("a")
  const bind = host.bind.bind(host)
  host.bind = (options) => {
    asked.push(options)
    return bind(options)
  }
  for (const options of [
    {},
    { protection: "none" },
    { v4: "127.0.0.9", v6: "::1" },
    { protection: "checksum" },
    { protection: "checksum", v4: "10.0.0.1" },
  ] as const)
    await (await network.until(Endpoint.bind({ host, ...options }))).close()
  expect(asked).toEqual([
    { v4: "127.0.0.1", v6: "::1" },
    { v4: "127.0.0.1", v6: "::1" },
    { v4: "127.0.0.9", v6: "::1" },
    {},
    { v4: "10.0.0.1" },
  ])
  for (const options of [
    { v4: "0.0.0.0" },
    { v6: "::" },
    { v4: "192.0.2.1", v6: false },
    { protection: "none", v6: "2001:db8::1" },
  ] as const)
    await expect(Endpoint.bind({ host, ...options })).rejects.toMatchObject({
      code: "invalid-option",
      message: expect.stringContaining('ask for protection: "checksum" by name'),
    })
  // Text that is no address is reported as such.
  await expect(Endpoint.bind({ host, v4: "nowhere" })).rejects.toMatchObject({
    code: "invalid-option",
    message: expect.stringContaining("literal v4 address"),
  })
})

test("stats are of the moment they were asked for, those of the transport too", async () => {
  const { network, a, hostA, toB } = await makePair(41)
  const before = a.stats()
  const { datagramsSent, errors } = before.transport
  const { EPERM } = errors
  hostA.failSends("EPERM")
  toB.open().trySend(1, pattern(10))
  await network.advance(100)
  expect([before.transport.datagramsSent, before.transport.errors.EPERM]).toEqual([datagramsSent, EPERM])
  expect(a.stats().transport.errors.EPERM).toBeGreaterThan(EPERM)
})
