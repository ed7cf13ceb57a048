/**
 * Joins under attack by an outsider that reads them and sends its own datagrams, without the secret; and by members
 * that have it. An attacker that can also hold datagrams back isn't prevented from anything here.
 */
import type { Endpoint, EndpointOptions } from "@x/endpoint"
import type { Address } from "@x/transport/host"
import type { Network } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { describe, expect, test } from "vitest"
import { v4Of } from "../catalogue/forger.ts"
import { hostWith } from "../host-with.ts"
import { group, type Group, hostWithUnique, publicKeyOf } from "../members.ts"
import { PORT } from "../world.ts"

/** An address where nobody is. */
const NOWHERE: Address = { family: 4, host: "172.16.0.1", port: 9 }
const isJoin = (bytes: Uint8Array): boolean => wire.prefixHandshake(new DataView(bytes.buffer, bytes.byteOffset), 0)

/** Calls `seen` with a copy of each handshake datagram; all of them go on. */
function listen(network: Network, seen: (from: string, to: string, bytes: Uint8Array) => void): void {
  network.filter(({ from, to, bytes }) => {
    if (isJoin(bytes)) seen(from, to, bytes.slice())
    return true
  })
}

const stateOf = (joining: Promise<unknown>): Promise<string> =>
  joining.then(
    () => "joined",
    (error: unknown) => String(error),
  )

describe.each(["with keys of their own", "with the secret alone"])("members %s", (which) => {
  const isKeyed = which === "with keys of their own"
  const bind = (world: Group, name: string, options?: EndpointOptions): Promise<Endpoint> =>
    isKeyed ? world.member(name, ["a", "b", "c"], options) : world.keyless(name, options)
  const join = (from: Endpoint): Promise<unknown> =>
    from.join(`10.0.0.2:${PORT}`, isKeyed ? { publicKey: publicKeyOf("b") } : {})

  test.each(["the asked one", "another address"])(
    "a join that is shown to its own sender, who refuses it, from %s, isn't refused",
    async (source) => {
      const world = group(2, { delayMs: 20 })
      const { network } = world
      const [a, b] = [await bind(world, "a"), await bind(world, "b")]
      network.host("c")
      const from = source === "the asked one" ? v4Of(b) : { family: 4 as const, host: "10.0.0.3", port: 9 }
      let shown = 0
      listen(network, (sender, to, bytes) => {
        if (sender !== "a") return
        // The join itself, and then what a sent to it.
        if (shown++ === 0) network.inject(from, v4Of(a), bytes, 1)
        else if (to === "c") network.inject(v4Of(b), v4Of(a), bytes, 1)
        else network.inject(from, v4Of(a), bytes, 1)
      })
      expect(await stateOf(network.until(join(a)))).toBe("joined")
      expect(shown).toBeGreaterThan(1)
      await network.until(a.peers[0]!.ping())
    },
  )

  test("whoever is faster with a copy of each join from elsewhere keeps nobody out", async () => {
    const world = group(8, { delayMs: 20 })
    const { network } = world
    const [a, b] = [await bind(world, "a"), await bind(world, "b")]
    listen(network, (from, to, bytes) => {
      if (from === "a" && to === "b") network.inject(NOWHERE, v4Of(b), bytes, 1)
    })
    expect(await stateOf(network.until(join(a)))).toBe("joined")
    await network.until(a.peers[0]!.ping())
    await network.advance(6_000)
    expect([a.peers.length, b.peers.length, b.sizes.halfOpen, b.sizes.slots]).toEqual([1, 1, 0, 1])
  })

  test.each([
    ["a join that came from nowhere else is accepted at once", false, 1],
    ["a join of which a copy came first, from elsewhere, is challenged", true, 2],
  ] as const)("%s", async (_, isCopied, joins) => {
    const world = group(14, { delayMs: 20 })
    const { network } = world
    const [a, b] = [await bind(world, "a"), await bind(world, "b")]
    let sent = 0
    listen(network, (from, to, bytes) => {
      if (from !== "a" || to !== "b") return
      if (isCopied && sent === 0) network.inject(NOWHERE, v4Of(b), bytes, 1)
      sent++
    })
    await network.until(join(a))
    expect(sent).toBe(joins)
  })

  test("copies of a join that was accepted, from many addresses, don't push it out", async () => {
    const world = group(13, { delayMs: 20 })
    const { network } = world
    const [a, b] = [await bind(world, "a"), await bind(world, "b")]
    let accepts = 0
    let copy: Uint8Array | undefined
    listen(network, (from, to, bytes) => {
      if (from === "a") copy ??= bytes
      if (from !== "b" || to !== "a" || accepts++ > 0) return
      for (let port = 1; port <= 40; port++) network.inject({ ...NOWHERE, port }, v4Of(b), copy!)
    })
    await network.until(join(a))
    await network.until(a.peers[0]!.ping({ timeoutMs: 500 }))
    expect([accepts, b.peers.length]).toEqual([1, 1])
  })

  test("what is for who joined goes nowhere else, though the join came first from elsewhere, and its answer was sent on", async () => {
    const world = group(9, { delayMs: 20 })
    const { network } = world
    const [a, b] = [await bind(world, "a"), await bind(world, "b")]
    network.host("c")
    let bytesToC = 0
    network.filter(({ from, to, bytes }) => {
      if (from === "a" && to === "b" && isJoin(bytes))
        network.inject({ family: 4, host: "10.0.0.3", port: 9 }, v4Of(b), bytes.slice(), 1)
      if (from === "b" && to === "c") {
        if (isJoin(bytes)) network.inject(v4Of(b), v4Of(a), bytes.slice(), 1)
        else bytesToC += bytes.length
      }
      return true
    })
    await stateOf(network.until(join(a)))
    await network.advance(100)
    const stream = b.peers[0]?.open()
    for (let i = 0; i < 200; i++) stream?.trySend(1, new Uint8Array(1_000))
    await network.advance(10_000)
    expect(bytesToC).toBe(0)
    // It is held up as long as somebody is faster, and no longer.
    network.filter(() => true)
    await network.advance(10_000)
    await network.until(join(a))
    await network.until(a.peers[0]!.ping())
  })

  test("a challenge that was for a copy of the join is no use to its sender, who asks for another", async () => {
    const world = group(10, { delayMs: 20 })
    const { network } = world
    const a = await bind(world, "a")
    // With this little room nobody is accepted unchallenged.
    const b = await bind(world, "b", { halfOpenMax: 3 })
    network.host("c")
    let shown = 0
    listen(network, (from, to, bytes) => {
      if (from === "a" && to === "b" && shown === 0)
        network.inject({ family: 4, host: "10.0.0.3", port: 9 }, v4Of(b), bytes)
      if (from === "b" && to === "c" && shown++ === 0) network.inject(v4Of(b), v4Of(a), bytes)
    })
    expect(await stateOf(network.until(join(a)))).toBe("joined")
    expect([shown, b.stats().drops.token]).toEqual([1, 5])
  })

  test.each([{ halfOpenMax: 32 }, { halfOpenPerHostMax: 32 }, {}])(
    "copies of joins of processes that have ended leave room for one that is there (%o)",
    async (options) => {
      const world = group(5)
      const { network } = world
      const b = await bind(world, "b", options)
      const copies: Uint8Array[] = []
      network.filter(({ to, bytes }) => {
        if (to === "b" && isJoin(bytes)) copies.push(bytes.slice())
        return to !== "b"
      })
      const ask = (from: Endpoint): Promise<unknown> =>
        from.join(`10.0.0.1:${PORT}`, isKeyed ? { publicKey: publicKeyOf("b") } : {})
      for (let i = 0; i < 100; i++) {
        const former = await bind(world, "c", { port: 5_000 + i })
        void ask(former).catch(() => {})
        await network.advance(5)
        await network.until(former.close(), 10_000)
      }
      network.filter(() => true)
      const a = await bind(world, "a")
      const flood = (): void => {
        for (const [i, bytes] of copies.entries())
          network.inject({ family: 4, host: v4Of(a).host, port: 20_000 + i }, v4Of(b), bytes)
      }
      flood()
      await network.advance(20)
      const states: string[] = []
      void stateOf(ask(a)).then((state) => states.push(state))
      for (let i = 0; i < 60 && states.length === 0; i++) {
        flood()
        await network.advance(100)
      }
      expect(copies.length).toBeGreaterThanOrEqual(100)
      expect(states).toEqual(["joined"])
    },
  )
})

test("a join with keys that is shown to another member, who refuses it, isn't refused", async () => {
  const { network, member } = group(3, { delayMs: 20 })
  const a = await member("a", ["b"])
  await member("b", ["a"])
  const c = await member("c", ["a", "b"])
  network.link("a", "c", { delayMs: 1 })
  network.link("c", "a", { delayMs: 1 })
  let shown = 0
  listen(network, (from, to, bytes) => {
    if (from === "a" && to === "b" && shown++ === 0) network.inject(v4Of(a), v4Of(c), bytes, 1)
  })
  expect(await stateOf(network.until(a.join(`10.0.0.2:${PORT}`, { publicKey: publicKeyOf("b") })))).toBe("joined")
})

test("a member who answers a probe under another's unique doesn't get his connection", async () => {
  const { network, member } = group(11)
  const a = await member("a", ["v", "e"])
  const v = await member("v", ["a"])
  const connection = a.connect(`v:${PORT}`, { publicKey: v.publicKey! })
  const toV = await network.until(connection.joined())
  const stream = connection.stream({ label: "orders" })
  const hostE = network.host("e")
  const e = await member("e", ["a"], { host: hostE })
  await network.until(e.join(`a:${PORT}`, { publicKey: a.publicKey! }))
  await network.advance(100)
  hostE.crash()
  const again = await member("e", ["a"], { host: hostWithUnique(network.host("e"), v.unique) })
  const stolen: number[] = []
  again.handle(1, ({ length }) => stolen.push(length))
  stream.on("open", (it) => void it.trySend(1, new Uint8Array(77)))
  await network.advance(30_000)
  expect([toV.state, connection.peer, stolen]).toEqual(["joined", toV, []])
})

test("a member who took another's unique first doesn't keep him out", async () => {
  const { network, member } = group(4)
  const b = await member("b", ["a", "m"])
  const a = await member("a", ["b", "m"])
  const m = await member("m", ["b"], { host: hostWithUnique(network.host("m"), a.unique) })
  await network.until(m.join(`b:${PORT}`, { publicKey: b.publicKey! }))
  await network.until(a.join(`b:${PORT}`, { publicKey: b.publicKey! }))
  await network.when(() => b.peers.length === 2)
  for (const peer of b.peers) await network.until(peer.ping())
})

test.each([1_000, 1_500])(
  "answers that wait for a full socket go to whom they are for, whatever else comes: %i other sources",
  async (others) => {
    const { network, keyless } = group(7)
    const hostB = network.host("b")
    const b = await keyless("b", { host: hostB })
    network.host("x")
    const copies: Uint8Array[] = []
    const answered = new Map<string, number>()
    network.filter(({ from, to, bytes }) => {
      if (from === "b") answered.set(to, (answered.get(to) ?? 0) + 1)
      else copies.push(bytes.slice())
      return from === "b"
    })
    // Four copies of each are read.
    for (let i = 0; i < 15; i++) {
      const a = await keyless("a", { port: 5_000 + i })
      void a.join(`10.0.0.1:${PORT}`, { timeoutMs: 50 }).catch(() => {})
    }
    await network.advance(100)
    expect(copies.length).toBe(15)
    hostB.failSends("full")
    for (let i = 0; i < 60; i++)
      network.inject({ family: 4, host: "172.16.0.2", port: 1_000 + i }, v4Of(b), copies[i % 15]!)
    await network.advance(1)
    for (let i = 0; i < others; i++)
      network.inject({ family: 4, host: "10.0.0.2", port: 1_000 + i }, v4Of(b), new Uint8Array(20))
    await network.advance(1)
    hostB.failSends(undefined)
    const before = b.stats().transport.datagramsSent
    await network.advance(10)
    expect([b.stats().transport.datagramsSent - before, answered.get("x")]).toEqual([60, undefined])
  },
)

test("a forged answer from who wasn't asked costs no exchange of keys", async () => {
  const { network, keyless } = group(12)
  let exchanges = 0
  const host = network.host("a")
  const counting = {
    ...host.crypto,
    x25519: (own: Uint8Array, theirs: Uint8Array) => (exchanges++, host.crypto.x25519(own, theirs)),
  }
  const a = await keyless("a", { host: hostWith(host, { crypto: counting }) })
  void a.join(`10.0.0.9:${PORT}`, { timeoutMs: 1_000 }).catch(() => {})
  await network.advance(1)
  for (let random = 1; random < 1_024; random++) {
    const forged = new Uint8Array(100).fill(7)
    wire.writePrefix(new DataView(forged.buffer), 0, wire.PROFILE.aead, true, (random << 20) >>> 0, 1, 1)
    network.inject(NOWHERE, v4Of(a), forged)
  }
  await network.advance(1)
  // One of them had the slot of the join.
  expect([exchanges, a.stats().drops.unexpected]).toEqual([0, 1])
})

describe.each(["checksum", "aead"] as const)("in %s", (protection) => {
  const secrets = protection === "aead" ? ["a secret that all members know"] : undefined
  const options = { protection, ...(secrets && { secrets }) } as EndpointOptions

  test("who joins under the unique of a peer that lives is never answered, and ends nothing", async () => {
    const { network, keyless } = group(20, { delayMs: 20, lossRate: 0.1 })
    const bind = (name: string, more: EndpointOptions = {}): Promise<Endpoint> =>
      keyless(name, {
        ...options,
        ...(secrets === undefined ? { secrets: undefined } : {}),
        ...more,
      } as EndpointOptions)
    const [a, b] = [await bind("a"), await bind("b")]
    const peer = await network.until(a.join(`b:${PORT}`))
    await network.when(() => b.peers.length === 1)
    const told: string[] = []
    for (const endpoint of [a, b])
      for (const name of ["left", "rejoined", "restarted", "joined"] as const) endpoint.on(name, () => told.push(name))
    const impostor = await bind("e", { host: hostWithUnique(network.host("e"), a.unique) })
    expect(impostor.unique).toBe(a.unique)
    expect(await stateOf(network.until(impostor.join(`b:${PORT}`, { timeoutMs: 8_000 })))).not.toBe("joined")
    await network.until(peer.ping())
    expect([told, impostor.peers, b.peers.map(({ address }) => address)]).toEqual([[], [], [v4Of(a)]])
  })

  test("a process that has forgotten its peer comes back from another address within a second and a half", async () => {
    const { network, keyless } = group(21, { delayMs: 20 })
    const bind = (name: string, more: EndpointOptions = {}): Promise<Endpoint> =>
      keyless(name, {
        ...options,
        ...(secrets === undefined ? { secrets: undefined } : {}),
        ...more,
      } as EndpointOptions)
    const hostA = network.host("a")
    const [a, b] = [await bind("a", { host: hostA }), await bind("b")]
    await network.until(a.join(`b:${PORT}`))
    await network.when(() => b.peers.length === 1)
    const { unique } = a
    const [before] = b.peers
    hostA.crash()
    await network.advance(1_000)
    const again = await bind("c", { host: hostWithUnique(network.host("c"), unique) })
    const startMs = network.now
    await network.until(again.join(`b:${PORT}`))
    await network.when(() => b.peers[0] !== before)
    expect(network.now - startMs).toBeLessThanOrEqual(1_500)
    expect([before!.state, b.peers.map((it) => it.unique)]).toEqual(["left", [unique]])
  })
})

test("one key takes no more places than it may have, and others still find theirs", async () => {
  const { network, member } = group(22)
  await member("b", ["m", "a"], { peersPerKeyMax: 3 })
  const states: string[] = []
  for (let i = 0; i < 5; i++) {
    const endpoint = await member("m", ["b"], { port: 5_000 + i })
    states.push(await stateOf(network.until(endpoint.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))))
  }
  expect(states.slice(0, 3)).toEqual(["joined", "joined", "joined"])
  for (const state of states.slice(3)) expect(state).toMatch(/too many peers with this key/)
  const a = await member("a", ["b"])
  await network.until(a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))
  expect(a.peers).toHaveLength(1)
})

test("one host takes no place of the last eighth, and another one finds its own there", async () => {
  const { network, keyless } = group(23)
  const b = await keyless("b", { peersMax: 64 })
  const states: string[] = []
  for (let i = 0; i < 58; i++) {
    const endpoint = await keyless("m", { port: 5_000 + i })
    states.push(await stateOf(network.until(endpoint.join(`10.0.0.1:${PORT}`))))
  }
  expect(states.map((state) => state === "joined")).toEqual([
    ...Array.from({ length: 56 }, () => true),
    ...[false, false],
  ])
  const a = await keyless("a")
  await network.until(a.join(`10.0.0.1:${PORT}`))
  // Who comes back to its place takes none.
  expect(b.stats().drops["peers-full"]).toBeGreaterThan(0)
})
