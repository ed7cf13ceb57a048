/** Processes that end and others that replace them: what is reported, and packets of ended ones. */

import { expect, test } from "vitest"
import { describeDatagram, PROFILE } from "@x/wire"
import { reasonName } from "@x/endpoint"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test("a peer that left unheard and joins again is another session, whatever its former one had under way", async () => {
  let rejoined = 0
  for (let seed = 1; seed <= 150; seed++) {
    const { network, a, b, toB } = await makePair(
      seed,
      { delayMs: 2, jitterMs: 2 },
      { heartbeatMs: 200, unreachableMs: 1_000 },
    )
    const labels: string[] = []
    b.handle(1, ({ stream }) => labels.push(stream.label))
    const before = toB.open({ label: "before" })
    before.trySend(1, pattern(10))
    await network.until(before.end())
    b.on("rejoined", () => rejoined++)
    // Nothing is heard, so both sides ask which incarnation is there; the goodbye is lost, and most later datagrams.
    network.links({ delayMs: 2, jitterMs: 2, lossRate: 0.8 })
    await network.advance(1_500)
    network.partition("a", "b", { both: false })
    await network.until(toB.leave())
    network.heal()
    network.links({ delayMs: 2, jitterMs: 2, lossRate: 0.6 })
    await network.until(a.join(`b:${PORT}`, { timeoutMs: 60_000 }), 60_000)
    network.links({ delayMs: 2 })
    // Both sides were joining: the session may change once more, and then the end reports that.
    let label = ""
    for (let isDone = false; !isDone;) {
      label += "after "
      await network.when(() => a.peers[0]?.state === "joined")
      const after = a.peers[0]!.open({ label })
      after.trySend(1, pattern(10))
      isDone = await network.until(
        after.end().then(
          () => true,
          () => false,
        ),
        60_000,
      )
    }
    expect([seed, labels]).toEqual([seed, expect.arrayContaining(["before", label])])
    await network.until(Promise.all([a.close(), b.close()]))
  }
  expect(rejoined).toBeGreaterThan(0)
})

test("a peer that left unheard and joins again keeps the session that it gets, although the other side was asking who is there", async () => {
  for (let waitMs = 0; waitMs < 1_000; waitMs += 20) {
    const { network, a, b, toB } = await makePair(5, { delayMs: 50 }, { heartbeatMs: 200, unreachableMs: 1_000 })
    let rejoined = 0
    a.on("rejoined", () => rejoined++)
    // After three unanswered heartbeats b joins to ask, and repeats that: at any stage of it, the goodbye is lost and a
    // joins.
    network.partition("a", "b")
    await network.advance(700 + waitMs)
    network.heal()
    let isJoined = false
    network.filter(({ from, bytes }) => from !== "a" || bytes.length > 1_000 || isJoined)
    void toB.leave()
    await network.until(a.join(`b:${PORT}`))
    isJoined = true
    await network.advance(3_000)
    expect([waitMs, rejoined, a.peers.length, b.peers.length]).toEqual([waitMs, 0, 1, 1])
    await network.until(Promise.all([a.close(), b.close()]))
  }
})

test("an accept of a process that has ended doesn't replace the one after it, which joined meanwhile", async () => {
  const { network, bind } = makeWorld(9, { delayMs: 5 })
  const { endpoint: a } = await bind("a")
  const { endpoint: b, host } = await bind("b")
  let accept: Uint8Array | undefined
  network.filter(({ from, bytes }) => {
    const { packets } = describeDatagram(new DataView(bytes.buffer), 0, bytes.length, PROFILE.checksum)
    if (from !== "b" || packets[0]!.kind !== "accept") return true
    accept ??= bytes.slice()
    return false
  })
  const joining = a.join(`b:${PORT}`, { timeoutMs: 2_000 })
  await network.when(() => accept !== undefined)
  host.crash()
  network.filter(() => true)
  const { endpoint: after } = await bind("b")
  await network.until(after.join(`a:${PORT}`))
  await network.when(() => a.peers.length === 1)
  const events: string[] = []
  for (const name of ["left", "restarted", "rejoined"] as const) a.on(name, () => events.push(name))
  network.inject(b.addresses[0]!, a.addresses[0]!, accept!)
  await network.advance(1_000)
  expect([events, a.peers.map(({ unique }) => unique)]).toEqual([[], [after.unique]])
  expect((await network.until(joining)).unique).toBe(after.unique)
})

test("a process that has ended is not held beside the one after it, which joined over another address and then over the same", async () => {
  const { network, bind } = makeWorld(11, { delayMs: 5 })
  const { endpoint: a } = await bind("a", { leaveMs: 1_000_000 })
  const left: string[] = []
  a.on("left", (peer, { reason }) => left.push(`${peer.unique} ${reasonName(reason)}`))
  const [v4, v6] = [4, 6].map((family) => a.addresses.find((address) => address.family === family)!.host)
  const { endpoint: first, host } = await bind("b")
  await network.until(first.join(`${v4}:${PORT}`))
  await network.when(() => a.peers.length === 1)
  host.crash()
  // The hint that its slots are no longer known is lost on the way, until the second one has replaced it.
  network.filter(
    ({ bytes }) =>
      describeDatagram(new DataView(bytes.buffer), 0, bytes.length, PROFILE.checksum).packets[0]!.kind !== "hint",
  )
  const { endpoint: second } = await bind("b")
  const peer = await network.until(second.join(`[${v6}]:${PORT}`))
  await network.when(() => a.peers.length === 2)
  // It leaves and comes back at once, from the address of the first one.
  void peer.leave()
  await network.until(second.join(`${v4}:${PORT}`))
  network.filter(() => true)
  await network.when(() => left.some((text) => text.startsWith(first.unique)) && a.peers.length > 0, 20_000)
  expect(left.toSorted()).toEqual([`${first.unique} restarted`, `${second.unique} closing`].toSorted())
  expect(a.peers.map(({ unique, state }) => [unique, state])).toEqual([[second.unique, "joined"]])
})

test("a join goes on with the process that takes its peer's place between challenge and accept", async () => {
  const { network, bind } = makeWorld(12, { delayMs: 50 })
  const { endpoint: a } = await bind("a")
  const { host } = await bind("b")
  const startMs = network.now
  const joining = a.join(`b:${PORT}`)
  // The challenge has come and the answer to it is on its way.
  await network.advance(120)
  host.crash()
  const { endpoint: second } = await bind("b")
  const peer = await network.until(joining)
  // The second one's challenge and accept: two round trips of 100 ms after the answer that it got.
  expect([peer.unique, second.stats().drops["not-welcome"], network.now - startMs < 400]).toEqual([
    second.unique,
    1,
    true,
  ])
})

test("a restarted process met over the other family replaces the one before", async () => {
  const { network, bind } = makeWorld(60)
  const { endpoint: a } = await bind("a")
  const { host: hostB } = await bind("b")
  const old = await network.until(a.join(`10.0.0.2:${PORT}`))
  await network.advance(100)
  hostB.crash()
  const { endpoint: b2 } = await bind("b")
  await network.until(b2.join(`[fd00::1]:${PORT}`))
  await network.advance(8_000)
  expect([old.state, a.peers.length]).toEqual(["left", 1])
})

test("F26 a restart tells exactly how much was unconfirmed and how much was never sent", async () => {
  const { network, a, b, bind, hostB, toB } = await makePair(1, { delayMs: 5 }, { windowPackets: 4 })
  b.handle(1, () => {})
  const events: unknown[] = []
  a.on("left", (peer, { unconfirmed, dropped }) => events.push(["left", peer.unique, unconfirmed, dropped]))
  a.on("restarted", (peer, before) => events.push(["restarted", peer.unique, before.unique]))
  const stream = toB.open()
  const loose = toB.open({ delivery: "fire-and-forget" })
  for (let i = 0; i < 3; i++) await network.until(stream.send(1, pattern(1_000), { receipt: true }))
  hostB.crash()
  loose.trySend(1, pattern(10))
  // Four in the window, five in the lot, one of them large and half sent.
  for (let i = 0; i < 3; i++) stream.trySend(1, pattern(1_000))
  stream.trySend(1, pattern(5_000))
  for (let i = 0; i < 4; i++) stream.trySend(1, pattern(1_000))
  const again = await bind("b")
  await network.when(() => events.length === 2, 20_000)
  expect(events).toEqual([
    ["left", toB.unique, 3, 5],
    ["restarted", again.endpoint.unique, toB.unique],
  ])
  expect(stream.account).toEqual({ accepted: 11, acknowledged: 3, unconfirmed: 3, dropped: 5, pending: 0 })
})

test("F26 late packets of a former incarnation change nothing, acknowledgements included", async () => {
  const { network, a, b, bind, hostB, toB } = await makePair(2)
  let received = 0
  b.handle(1, () => {})
  a.handle(1, () => received++)
  const recorded: { readonly to: string; readonly bytes: Uint8Array }[] = []
  const addressOf = { b: toB.address, a: a.addresses.find(({ family }) => family === toB.address.family)! }
  const stream = toB.open()
  const answers = b.peers[0]!.open()
  await network.advance(50)
  network.filter((datagram) => {
    recorded.push({ to: datagram.to, bytes: new Uint8Array(datagram.bytes) })
    return true
  })
  for (let i = 0; i < 10; i++) {
    stream.trySend(1, pattern(500))
    answers.trySend(1, pattern(500))
    await network.advance(10)
  }
  await network.advance(100)
  hostB.crash()
  const again = await bind("b")
  received = 0
  again.endpoint.handle(1, () => received++)
  const peer = await network.until(a.join(`b:${PORT}`))
  const fresh = peer.open()
  network.filter(({ to }) => to !== "b")
  for (let i = 0; i < 5; i++) fresh.trySend(1, pattern(500))
  await network.advance(20)
  const before = [fresh.account, received, a.peers.length, again.endpoint.peers.length]
  network.filter(() => true)
  for (const { to, bytes } of recorded)
    if (to === "a") network.inject(addressOf.b, addressOf.a, bytes)
    else network.inject(addressOf.a, addressOf.b, bytes)
  await network.advance(1)
  expect([fresh.account, received, a.peers.length, again.endpoint.peers.length]).toEqual(before)
  const drops = a.stats().drops
  expect(drops["unknown-slot"] + drops.tag + drops.duplicate + drops.stale).toBeGreaterThan(10)
  await network.until(fresh.flush(), 5_000)
  expect(received).toBe(5)
})
