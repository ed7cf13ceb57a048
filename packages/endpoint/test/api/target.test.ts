import { expect, test } from "vitest"
import { inTurn, parseTarget, type Target } from "../../src/api/target.ts"
import { makeWorld, PORT } from "../world.ts"

test.each<[Target, string, number]>([
  ["name:4000", "name", 4_000],
  ["192.0.2.1:1", "192.0.2.1", 1],
  ["[2001:db8::1]:65535", "2001:db8::1", 65_535],
  ["[fe80::1%eth0]:4000", "fe80::1%eth0", 4_000],
  ["[::ffff:192.0.2.1]:4000", "::ffff:192.0.2.1", 4_000],
  [{ host: "::1", port: 4_000 }, "::1", 4_000],
  [{ family: 4, host: "10.0.0.1", port: 4_000 }, "10.0.0.1", 4_000],
  ["255.255.255.254:9", "255.255.255.254", 9],
  ["1-2.example:9", "1-2.example", 9],
])("the target %j is taken apart", (target, host, port) => {
  expect(parseTarget(target)).toEqual({ host, port })
})

test.each<[unknown, RegExp]>([
  ["[fe80::1]:4000", /%eth0/],
  [{ host: "fe80::1", port: 4_000 }, /%eth0/],
  ["[febf::9]:4000", /%eth0/],
  ["[ff02::1]:4000", /multicast/],
  ["[ff02::1%eth0]:4000", /scope/],
  ["224.0.0.1:4000", /multicast/],
  ["239.255.255.255:4000", /multicast/],
  ["[::ffff:224.0.0.1]:4000", /multicast/],
  ["255.255.255.255:4000", /broadcast/],
  ["0.0.0.0:4000", /127\.0\.0\.1/],
  ["[::]:4000", /::1/],
  ["[::ffff:0.0.0.0]:4000", /127\.0\.0\.1/],
  ["fe80::1%eth0:4000", /brackets/],
  ["2001:db8::1:4000", /brackets/],
  ["::1:4000", /brackets/],
  ["[2001:db8::1%eth0]:4000", /scope/],
  ["[2001:db8::g]:4000", /no v6 address/],
  ["[1.2.3.4]:4000x", /example|\[2001:db8::1\]:port/],
  [{ host: "[::1]", port: 4_000 }, /without brackets/],
  ["name:0", /port/],
  ["name:65536", /port/],
  ["name", /name:port/],
  [" name:4000", /white space/],
  ["name:4000 ", /white space/],
  ["na me:4000", /white space/],
  ["name :4000", /white space/],
  ["name:4000\n", /white space/],
  [{ host: "name\t", port: 4_000 }, /white space/],
  ["1.2.3:4000", /four numbers/],
  ["256.1.1.1:4000", /four numbers/],
  ["192.0.2.01:4000", /four numbers/],
  ["0x7f000001:4000", /four numbers/],
  ["2130706433:4000", /four numbers/],
  ["udp://name:4000", /name:port/],
  [undefined, /name:port/],
  [null, /name:port/],
  [4_000, /name:port/],
  [{}, /name:port/],
  [{ host: "", port: 4_000 }, /name:port/],
  [{ host: "name", port: "4000" }, /name:port/],
  [{ host: "name", port: 4_000.5 }, /port/],
  [{ host: "name", port: Number.NaN }, /port/],
])("the target %j is refused at once, with what to do", async (target, message) => {
  const { bind } = makeWorld(1)
  const { endpoint } = await bind("a")
  const error = { name: "EndpointError", code: "invalid-target", message: expect.stringMatching(message) }
  await expect(endpoint.join(target as Target)).rejects.toMatchObject(error)
  expect(() => endpoint.connect(target as Target)).toThrow(expect.objectContaining(error))
  expect(endpoint.sizes).toMatchObject({ joins: 0, slots: 0, timers: 0 })
})

test("joining one's own address is refused at once, whatever it is called", async () => {
  for (const protection of [{}, { secrets: ["0123456789abcdef"] }]) {
    const { network, bind } = makeWorld(2, { delayMs: 5 })
    const { endpoint } = await bind("a", protection)
    let sent = 0
    network.filter(() => ++sent > 0)
    for (const target of [`a:${PORT}`, `10.0.0.1:${PORT}`, `[fd00::1]:${PORT}`, `[::ffff:10.0.0.1]:${PORT}`])
      await expect(network.until(endpoint.join(target), 0)).rejects.toMatchObject({
        code: "join-refused",
        message: expect.stringContaining("itself"),
      })
    expect(sent).toBe(0)
  }
})

test("addresses are asked with the families in turn, and otherwise in the resolver's order", () => {
  const list = (text: string): { family: 4 | 6; host: string }[] =>
    text.split(" ").map((host) => ({ family: host.startsWith("6") ? 6 : 4, host }))
  expect(inTurn(list("6a 6b 6c 4a 4b"))).toEqual(list("6a 4a 6b 4b 6c"))
  expect(inTurn(list("4a 6a 6b 6c"))).toEqual(list("4a 6a 6b 6c"))
  expect(inTurn(list("4a 4b"))).toEqual(list("4a 4b"))
  expect(inTurn([])).toEqual([])
})
