// Real sockets: only a few, and only for what a simulated network can't show.
import { Endpoint } from "@x/endpoint"
import { expect, test } from "vitest"
import { pattern } from "../world.ts"

test("two endpoints on this machine exchange messages of all sizes over v4", async () => {
  await using a = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
  await using b = await Endpoint.bind({ v4: "127.0.0.1", v6: false })
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const peer = await a.join(`127.0.0.1:${b.port}`)
  const stream = peer.open()
  for (const length of [0, 1, 1_000, 100_000, 5_000_000]) await stream.send(1, pattern(length))
  await stream.flush()
  expect(received.map(({ length }) => length)).toEqual([0, 1, 1_000, 100_000, 5_000_000])
  expect(Buffer.compare(received.at(-1)!, pattern(5_000_000))).toBe(0)
})

test("an endpoint on loopback says at once that it reaches no other machine, and why", async () => {
  await using endpoint = await Endpoint.bind({ v6: false })
  await expect(endpoint.join("192.0.2.1:9", { timeoutMs: 600_000 })).rejects.toMatchObject({
    code: "invalid-target",
    message: expect.stringContaining('bind it with secrets, or with protection: "checksum"'),
  })
  expect(endpoint.stats()).toMatchObject({ joins: 0, transport: { datagramsSent: 0 } })
})
