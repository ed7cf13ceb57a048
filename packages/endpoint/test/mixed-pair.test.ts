/** On real sockets: one end seals in the native helper, the other with Node's cryptography. */
import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import { afterEach, expect, test, vi } from "vitest"
import { pattern } from "./world.ts"

afterEach(() => void vi.unstubAllEnvs())

test.each(["mac", "aead"] as const)(
  "an end with the helper and one without speak %s with each other, both ways",
  async (protection) => {
    const options: EndpointOptions = { protection, secrets: ["a secret of a mixed pair"], v4: "127.0.0.1", v6: false }
    const aided = await Endpoint.bind(options)
    vi.stubEnv("X_TRANSPORT", "dgram")
    const plain = await Endpoint.bind(options)
    vi.unstubAllEnvs()
    await using _ = aided
    await using __ = plain
    // Without a helper both ends are alike, and this test shows less.
    if (!aided.capabilities.batch) console.log("no helper: both ends have Node's cryptography")
    expect(plain.capabilities.batch).toBe(false)
    const came = { aided: [] as Uint8Array[], plain: [] as Uint8Array[] }
    aided.handle(1, (message) => came.aided.push(message.copy()))
    plain.handle(1, (message) => came.plain.push(message.copy()))
    const toAided = await plain.join(`127.0.0.1:${aided.port}`)
    const sizes = [0, 1, 64, 1_100, 1_200, 5_000, 100_000]
    const say = async (peer: Peer): Promise<void> => {
      const stream = peer.open()
      for (const size of sizes) await stream.send(1, pattern(size))
      await stream.end()
    }
    await toAided.ping()
    await say(toAided)
    await say(aided.peers[0]!)
    const expected = sizes.map((size) => pattern(size))
    expect([came.aided, came.plain]).toEqual([expected, expected])
    expect([aided.stats().drops.tag, plain.stats().drops.tag]).toEqual([0, 0])
  },
)
