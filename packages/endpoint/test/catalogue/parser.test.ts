// Datagrams that no honest peer sends, as bytes and as packets: they are dropped by name, and nothing else happens.
import * as wire from "@x/wire"
import { expect, test } from "vitest"
import { EvilPeer, heartbeat, message, open, type Packet, piece, status } from "../evil-peer.ts"
import { dropsOf, makeScene, type Scene } from "../scene.ts"
import { makePair, pattern } from "../world.ts"
import { describeBytes, dropped, forgedSource, record, v4Of } from "./forger.ts"
import { Ledger, quiesce, quiesceEndpoints } from "./ledger.ts"

const quiesceScene = ({ network, endpoint }: Scene): Promise<void> => quiesceEndpoints(network, [endpoint])

test("F01 a hundred thousand empty datagrams are counted, and a good peer's traffic keeps flowing", async () => {
  const { network, a, b, toB } = await makePair(1)
  const ledger = new Ledger(network, a, b)
  const stream = ledger.open(toB)
  const to = v4Of(b)
  for (let i = 0; i < 1_000; i++) {
    for (let k = 0; k < 100; k++) network.inject(forgedSource(k), to, new Uint8Array(0))
    if (i % 10 === 0) expect(stream.trySend(200)).toBe("sent")
    await network.advance(1)
  }
  // Everything sent up to a round trip ago has arrived.
  expect(stream.delivered.length).toBeGreaterThan(95)
  expect(b.stats().drops["too-short"]).toBe(100_000)
  await quiesce(ledger)
})

/** Genuine datagrams of many kinds to b, and the pair that they belong to. */
async function genuine(protection: "none" | "checksum") {
  const world = await makePair(2, { delayMs: 5, lossRate: 0.05 }, { protection, messageBytesMax: 100_000 })
  const { network, a, b, toB } = world
  const recorded = record(network)
  for (const endpoint of [a, b]) endpoint.handle(1, () => {})
  for (const delivery of ["reliable", "reliable-unordered", "best-effort", "latest", "fire-and-forget"] as const) {
    const there = toB.open({ delivery, label: delivery })
    const back = b.peers[0]!.open({ delivery })
    for (const stream of [there, back]) for (const bytes of [0, 100, 5_000]) stream.trySend(1, pattern(bytes))
    await network.advance(50)
    if (delivery === "latest") there.reset()
    else there.end().catch(() => {})
  }
  await network.advance(2_000)
  network.links({ delayMs: 5 })
  const kinds = new Map<string, Uint8Array>()
  for (const { to, bytes } of recorded) {
    const { packets } = describeBytes(bytes, protection === "none" ? 0 : 1)
    if (to === "b") kinds.set(packets.map(({ kind }) => kind).join(), bytes)
  }
  return {
    ...world,
    datagrams: [...kinds.values()],
    kinds: new Set([...kinds.keys()].flatMap((names) => names.split(","))),
  }
}

/** The state that an outsider's datagram must not change. */
function stateOf({ a, b }: Awaited<ReturnType<typeof genuine>>): unknown {
  const { datagramsSent, datagramsReceived, packetsSent, streamsIn, streamsOut } = b.peers[0]!.stats()
  return [a.sizes, b.sizes, b.stats().unhandled, datagramsSent, datagramsReceived, packetsSent, streamsIn, streamsOut]
}

test("F02 every truncation of genuine datagrams is dropped once and changes nothing", async () => {
  const scene = await genuine("checksum")
  const { network, a, b, datagrams, kinds } = scene
  for (const kind of ["sequenced", "fire-and-forget", "open", "end", "reset", "status", "feedback", "heartbeat"])
    expect(kinds).toContain(kind)
  const before = [stateOf(scene), dropped(b)]
  let injected = 0
  for (const bytes of datagrams) {
    for (let length = 0; length < bytes.length; length++) {
      network.inject(v4Of(a), v4Of(b), bytes.slice(0, length))
      injected++
    }
    // At the same time: no timer of its own changes anything meanwhile.
    await network.advance(0)
  }
  expect([stateOf(scene), dropped(b)]).toEqual([before[0], (before[1] as number) + injected])
  await quiesceEndpoints(network, [a, b])
})

test("F03 every flipped bit of genuine datagrams is refused by the checksum and changes nothing", async () => {
  const scene = await genuine("checksum")
  const { network, a, b, datagrams } = scene
  const before = [stateOf(scene), dropped(b)]
  let injected = 0
  for (const bytes of datagrams) {
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice()
      flipped[bit >>> 3]! ^= 1 << (bit & 7)
      network.inject(v4Of(a), v4Of(b), flipped)
      injected++
      if (injected % 1_000 === 0) await network.advance(0)
    }
    await network.advance(0)
  }
  expect([stateOf(scene), dropped(b)]).toEqual([before[0], (before[1] as number) + injected])
  await quiesceEndpoints(network, [a, b])
})

test("F03 without a checksum flipped bits neither throw nor take more memory than was allowed", async () => {
  const scene = await genuine("none")
  const { network, a, b, datagrams } = scene
  let injected = 0
  for (const [i, bytes] of datagrams.entries()) {
    for (let bit = 0; bit < 8 * Math.min(bytes.length, 120); bit++) {
      const flipped = bytes.slice()
      // A counter of its own: otherwise it would be a duplicate and get no further.
      new DataView(flipped.buffer).setUint32(5, 1_000_000 + 10_000 * i + bit, true)
      flipped[bit >>> 3]! ^= 1 << (bit & 7)
      network.inject(v4Of(a), v4Of(b), flipped)
      if (++injected % 500 === 0) await network.advance(0)
      if (injected % 500 === 0) for (const endpoint of [a, b]) endpoint.assertInvariants()
    }
  }
  await network.advance(10)
  expect(b.sizes.assemblyBytes).toBeLessThanOrEqual(32 * 1_048_576)
  expect(b.sizes.pool).toBeLessThanOrEqual(4_096)
  expect(dropped(b)).toBeGreaterThan(500)
  await quiesceEndpoints(network, [a, b])
})

test("F04 unknown versions, profiles, reserved bits, kinds and options are dropped by name, without a reply", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const { evil, network, endpoint } = scene
  const from = v4Of(endpoint)
  const source = { ...forgedSource(1), host: "10.0.0.2" }
  const send = (first: number, flags: number): void => {
    const bytes = new Uint8Array(30)
    const view = new DataView(bytes.buffer)
    bytes[0] = first
    view.setUint32(1, evil.slot, true)
    view.setUint32(5, evil.counter++, true)
    bytes[11] = flags
    network.inject(source, from, bytes)
  }
  let [versions, kinds, options] = [0, 0, 0]
  const drops = await dropsOf(scene, () => {
    for (let version = 1; version < 16; version++, versions++) send(version << 4, 8)
    for (const profile of [1, 2, 3]) send(profile, 8)
    send(0b1100, 8)
    const known = new Set<number>(Object.values(wire.KIND))
    for (let kind = 0; kind < 32; kind++) {
      if (!known.has(kind)) kinds++
      if (!known.has(kind)) send(0, kind)
      // Bit 6 is an option of no packet of an association.
      else if (kind < wire.KIND.join && ++options > 0) send(0, kind | 0x40)
    }
  })
  expect(drops).toEqual({ version: versions, profile: 3, reserved: 1, kind: kinds, option: options })
  expect(evil.received).toEqual([])
  await quiesceScene(scene)
})

test("F05 lengths of nothing, past the end and far too large are dropped, and nothing is allocated for them", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const { evil, endpoint } = scene
  evil.send(open(1), heartbeat)
  await scene.network.advance(20)
  const { first, middle, last } = wire.FORM
  const before = process.memoryUsage().arrayBuffers
  const announced =
    (length: number): Packet =>
    (writer) => {
      open(2)(writer)
      // The length that the beginning of the next packet wrote follows the flags of this one.
      heartbeat(writer)
      writer.view.setUint16(12, length, true)
    }
  const drops = await dropsOf(scene, () => {
    for (const length of [0, 60, 2 ** 16 - 1]) evil.send(announced(length))
    for (const [i, total] of [0, 2 ** 31, 2 ** 32 - 1].entries()) {
      // A stream for each: one that announces too large a message is stopped.
      for (const [k, form] of [first, middle, last].entries()) {
        const stream = 10 + 3 * i + k
        evil.send(open(stream))
        evil.send(piece(stream, 0, { form, message: 0, total, offset: 2 ** 31, bytes: 50 }))
      }
    }
    // A whole message that claims to be longer than its payload.
    for (const length of [100, 2 ** 14, 2 ** 20])
      evil.send((writer) => {
        const at = wire.writeSequencedBody(
          writer.view,
          writer.begin(wire.KIND.sequenced),
          1,
          0,
          wire.deliveryByte(3, wire.FORM.whole),
        )
        writer.finish(wire.writeWholeHeader(writer.view, at, 1, length) + 5)
      })
  })
  expect(drops).toEqual({ length: 3, payload: 3 + 1 + 3, "message-too-large": 2 + 1 + 2 })
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(65_536)
  expect([endpoint.sizes.assemblyBytes, endpoint.sizes.pool]).toEqual([0, 0])
  await quiesceScene(scene)
})

test("F06 a piece that continues nothing, or starts while another message is under way, ends its stream; one that can't be is dropped", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const { evil, network, delivered, endpoint } = scene
  const { first, middle, last } = wire.FORM
  for (const stream of [1, 2, 3, 4]) evil.send(open(stream))
  const drops = await dropsOf(scene, () => {
    evil.send(message(1, 0))
    // It claims to belong to a message before the next one.
    evil.send(piece(1, 1, { form: middle, message: 0, total: 300, offset: 100, bytes: 50 }))
    evil.send(piece(2, 0, { form: first, message: 0, total: 300, bytes: 100 }))
    evil.send(piece(2, 1, { form: first, message: 1, total: 300, bytes: 100 }))
    evil.send(piece(3, 0, { form: first, message: 0, total: 300, bytes: 100 }))
    evil.send(piece(3, 1, { form: middle, message: 0, total: 300, offset: 250, bytes: 50 }))
    evil.send(piece(3, 1, { form: middle, message: 0, total: 300, offset: 2 ** 32 - 1, bytes: 50 }))
    evil.send(piece(3, 1, { form: last, message: 0, total: 40, bytes: 50 }))
  })
  expect(drops).toEqual({ "piece-conflict": 2, payload: 3 })
  expect(evil.packets("stop")).toMatchObject([
    { stream: 1, reason: wire.REASON.protocolError },
    { stream: 2, reason: wire.REASON.protocolError },
  ])
  // The bytes that were impossible belonged to no message: their stream goes on, like the others.
  evil.send(piece(3, 1, { form: last, message: 0, total: 300, bytes: 200 }))
  evil.send(message(4, 0))
  await network.advance(20)
  expect([delivered, endpoint.sizes.assemblyBytes]).toEqual([[0, 0, 0], 0])
  await quiesceScene(scene)
})

test("F08 a join that is cut off anywhere is dropped, and nothing is answered or allocated", async () => {
  const scene = await makeScene()
  const { evil, network, endpoint } = scene
  const recorded = record(network)
  evil.sendJoin(1, "")
  await network.when(() => evil.packets("challenge").length > 0)
  evil.sendJoin(2, evil.packets("challenge")[0]!["token"] as string)
  await network.advance(10)
  const joins = recorded.filter(({ to }) => to === "b").map(({ bytes }) => bytes)
  expect(joins).toHaveLength(2)
  await network.advance(6_000)
  evil.received.length = 0
  // After the length of the exchange everything is padding.
  const fields = (token: number): number => 12 + 1 + 1 + 4 + 3 * 8 + 20 + 4 + 4 + 1 + token + 2
  const source = { family: 4, host: "10.0.0.2", port: 6_666 } as const
  for (const [join, length] of [
    [joins[0]!, fields(0)],
    [joins[1]!, fields(17)],
  ] as const) {
    const drops = await dropsOf(scene, () => {
      for (let cut = 0; cut < length; cut++) network.inject(source, v4Of(endpoint), join.slice(0, cut))
    })
    expect(drops).toEqual({ "too-short": 12, truncated: length - 12 })
  }
  expect([evil.received, endpoint.sizes]).toEqual([
    [],
    { ...endpoint.sizes, slots: 0, halfOpen: 0, peers: 0, timers: 0 },
  ])
  // With one byte more it is a join.
  network.inject(source, v4Of(endpoint), joins[0]!.slice(0, fields(0)))
  await network.advance(10)
  expect(evil.packets("challenge")).toHaveLength(1)
  await quiesceScene(scene)
})

test("F09 pieces of no message, and outside of theirs, are dropped before a byte is reserved", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const { evil, endpoint } = scene
  const { first, middle, last } = wire.FORM
  for (let stream = 1; stream <= 100; stream++) evil.send(open(stream))
  await scene.network.advance(20)
  const before = process.memoryUsage().arrayBuffers
  const drops = await dropsOf(scene, () => {
    for (let stream = 1; stream <= 100; stream++) {
      evil.send(piece(stream, 0, { form: first, message: 0, total: 0, bytes: 1 }))
      evil.send(piece(stream, 0, { form: middle, message: 0, total: 100, offset: 100, bytes: 1 }))
      evil.send(piece(stream, 0, { form: middle, message: 0, total: 100, offset: 2 ** 32 - 1, bytes: 1 }))
      evil.send(piece(stream, 0, { form: last, message: 0, total: 1, bytes: 1 }))
      evil.send(piece(stream, 0, { form: first, message: 0, total: 2 ** 32 - 1, bytes: 1 }))
    }
  })
  expect(drops).toEqual({ payload: 400, "message-too-large": 100 })
  // This includes the network's copies of 500 datagrams; those announce a hundred times 4 GiB.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_097_152)
  expect([endpoint.sizes.assemblyBytes, endpoint.sizes.pool]).toEqual([0, 0])
  await quiesceScene(scene)
})

test("F11 of pieces that overlap, or come again with other bytes, the first counts; nothing is mixed", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const { evil, network, endpoint } = scene
  const received: Uint8Array[] = []
  endpoint.handle(2, (it) => received.push(it.copy()))
  const { first, middle, last } = wire.FORM
  /** A piece of a message of type 2, all of one byte. */
  const filled =
    (stream: number, number: number, form: number, offset: number, bytes: number, value: number): Packet =>
    (writer) => {
      const { view } = writer
      const at = wire.writeSequencedBody(
        view,
        writer.begin(wire.KIND.sequenced),
        stream,
        number,
        wire.deliveryByte(wire.MODE.reliable, form),
      )
      const body =
        form === first
          ? wire.writeFirstHeader(view, at, 2, 0, 300)
          : form === middle
            ? wire.writeMiddleHeader(view, at, 0, 300, offset)
            : wire.writeLastHeader(view, at, 0, 300)
      for (let i = 0; i < bytes; i++) view.setUint8(body + i, value)
      writer.finish(body + bytes)
    }
  for (const stream of [1, 2, 3]) evil.send(open(stream))
  const drops = await dropsOf(scene, () => {
    evil.send(filled(1, 0, first, 0, 100, 1))
    evil.send(filled(1, 0, first, 0, 100, 66))
    evil.send(filled(1, 1, middle, 100, 100, 2))
    evil.send(filled(1, 1, middle, 100, 100, 66))
    evil.send(filled(1, 2, last, 0, 100, 3))
    evil.send(filled(1, 2, last, 0, 100, 66))
    // Overlapping pieces end their stream, and nothing of the message is delivered.
    evil.send(filled(2, 0, first, 0, 100, 1))
    evil.send(filled(2, 1, middle, 50, 100, 66))
    evil.send(filled(2, 1, middle, 100, 100, 2))
    evil.send(filled(3, 0, first, 0, 100, 1))
    evil.send(filled(3, 1, last, 0, 201, 66))
  })
  expect(drops).toEqual({ "duplicate-packet": 3, "piece-conflict": 2, "stream-closed": 1 })
  await network.advance(10)
  expect(received).toEqual([Uint8Array.from({ length: 300 }, (_, i) => 1 + Math.floor(i / 100))])
  expect(endpoint.sizes.assemblyBytes).toBe(0)
  await quiesceScene(scene)
})

test("F12 a message above what the peer takes is refused before a byte of it is kept or sent, and says so", async () => {
  const { network, a, b, bind } = await makePair(12, undefined, { messageBytesMax: 50_000 })
  const { endpoint: c } = await bind("c")
  const peer = await network.until(c.join("b:4000"))
  const ledger = new Ledger(network, a, b, c)
  const stream = ledger.open(peer)
  expect(peer.messageBytesMax).toBe(50_000)
  expect(stream.stream.trySend(1, pattern(50_001))).toBe("too-large")
  await expect(network.until(stream.stream.send(1, pattern(16_000_000)))).rejects.toMatchObject({ code: "too-large" })
  expect([c.sizes.sendPool, stream.stream.account.accepted, stream.stream.parked.messages]).toEqual([0, 0, 0])
  expect(stream.trySend(50_000)).not.toBe("too-large")
  await quiesce(ledger)
  expect(b.stats().drops["message-too-large"]).toBe(0)
})

test.each([1_200, 9_000, 65_507])(
  "F13 datagrams of exactly %i B are used whole, and none longer is taken",
  async (datagramBytes) => {
    const { network, a, b, toB } = await makePair(13, { delayMs: 5, mtuBytes: Infinity }, { datagramBytes })
    const ledger = new Ledger(network, a, b)
    const stream = ledger.open(toB)
    // The first one is sent before it is known what the path carries.
    stream.trySend(300_000)
    await network.until(stream.stream.flush())
    const recorded = record(network)
    stream.trySend(300_000)
    await network.until(stream.stream.flush())
    expect(Math.max(...recorded.map(({ bytes }) => bytes.length))).toBe(datagramBytes)
    const before = b.stats().drops["too-long"]
    let longer = 0
    for (const length of [datagramBytes + 1, 1_201, 9_000, 9_001, 65_507]) {
      if (length <= datagramBytes || length > 65_507) continue
      // A good one with bytes after it: if those were cut off it would pass.
      const bytes = new Uint8Array(length)
      bytes.set(recorded.findLast(({ to }) => to === "b")!.bytes)
      network.inject(v4Of(a), v4Of(b), bytes)
      longer++
    }
    await network.advance(10)
    expect(b.stats().drops["too-long"] - before).toBe(longer)
    await quiesce(ledger)
  },
)

test("F15 statuses about what was never sent, in the future, or all there could be, are counted and change nothing", async () => {
  const scene = await makeScene()
  await scene.evil.join()
  const { evil, network, endpoint } = scene
  const stream = endpoint.peers[0]!.open()
  for (let i = 0; i < 5; i++) stream.trySend(1, pattern(1_000))
  await network.advance(20)
  const [{ stream: id }] = evil.packets("open") as unknown as [{ stream: number }]
  const before = stream.account
  const raw =
    (edit: (view: DataView, at: number) => void): Packet =>
    (writer) => {
      status(id, { missing: [[0, 3]] })(writer)
      edit(writer.view, 12)
    }
  const drops = await dropsOf(scene, () => {
    for (const cumulative of [6, 2 ** 31, 2 ** 32, wire.NUMBER_MAX]) evil.send(status(id, { cumulative }))
    evil.send(status(id, { cumulative: 4, missing: [[0, 5]] }))
    evil.send(status(id, { missing: [[5, 60_000]] }))
    evil.send(status(id + 1))
    evil.send(status(2 ** 32 - 1, { missing: [[0, 1]] }))
    // All bits of the edge set: −1.
    evil.send(
      raw((view, at) => view.setUint32(at + 5, 0xffff_ffff, true)),
      heartbeat,
    )
    evil.send((writer) => {
      status(id)(writer)
      for (let i = 0; i < 6; i++) writer.view.setUint8(12 + 5 + i, 255)
    })
    // A range that extends beyond 65,536 from the edge, and one more than fits.
    evil.send((writer) => {
      status(id, { missing: [[0, 3]] })(writer)
      writer.view.setUint16(12 + 13, 65_535, true)
      writer.view.setUint16(12 + 15, 65_535, true)
    })
    evil.send((writer) => {
      status(id)(writer)
      writer.view.setUint8(12 + 12, 255)
    })
  })
  expect(Object.keys(drops).toSorted()).toEqual(["not-sent", "number", "ranges"])
  expect([stream.account, endpoint.peers.length, stream.state]).toEqual([before, 1, "open"])
  // A good one is accepted as before.
  evil.send(status(id, { cumulative: 5 }))
  await network.advance(10)
  expect(stream.account).toMatchObject({ acknowledged: 5, pending: 0 })
  await quiesceScene(scene)
})

test("F17 what was acknowledged stays so, whatever edges come later; limits out of range make no peer", async () => {
  const scene = await makeScene()
  const { evil, network, endpoint } = scene
  evil.sendJoin(1, "")
  await network.when(() => evil.packets("challenge").length > 0)
  const token = evil.packets("challenge")[0]!["token"] as string
  const bad: Partial<wire.Limits>[] = [
    { inFlight: 0 },
    { inFlight: 2 ** 32 - 1 },
    { spread: 0 },
    { spread: 100 },
    { datagramBytes: 0 },
  ]
  const drops = await dropsOf(scene, () => {
    for (const limits of bad) evil.sendJoin(2, token, { limits: { ...evil.limits, ...limits } })
  })
  expect([drops, endpoint.sizes.slots]).toEqual([{ value: bad.length }, 0])
  await evil.join()
  const stream = endpoint.peers[0]!.open()
  for (let i = 0; i < 8; i++) stream.trySend(1, pattern(1_000))
  await network.advance(20)
  const acknowledged: number[] = []
  for (const cumulative of [3, 1, 0, 5, 5, 2, 8, 0, 7]) {
    evil.send(status(1, { cumulative }))
    await network.advance(5)
    endpoint.assertInvariants()
    acknowledged.push(stream.account.acknowledged)
  }
  expect(acknowledged).toEqual([3, 3, 3, 5, 5, 5, 8, 8, 8])
  expect([endpoint.sizes.sendPool, stream.unacknowledgedBytes]).toEqual([0, 0])
  await quiesceScene(scene)
})

test("F18 of 65,536 streams that were never opened as many are remembered as we announced, and another peer's aren't hurt", async () => {
  const scene = await makeScene({ streamsMax: 64 })
  await scene.evil.join()
  const { evil, network, endpoint } = scene
  const before = endpoint.stats().drops
  for (let id = 1; id <= 65_536; id++) {
    evil.send(message(id, 0))
    if (id % 1_000 === 0) await network.advance(1)
    if (id % 1_000 === 0) expect(endpoint.sizes.streams).toBeLessThanOrEqual(64)
  }
  await network.advance(20)
  const { drops } = endpoint.stats()
  expect([drops["not-open"] - before["not-open"], drops["streams-full"] - before["streams-full"]]).toEqual([
    64,
    65_536 - 64,
  ])
  // One answer for each of those that are remembered, and a few repeats: not one for each packet.
  expect(evil.packets("status").length).toBeLessThan(64 * 10)
  const honest = await EvilPeer.bind(network, "honest", endpoint.addresses[0]!)
  honest.unique.fill(3)
  await honest.join()
  honest.send(open(1), heartbeat)
  honest.send(message(1, 0))
  await network.advance(10)
  expect(scene.delivered).toEqual([0])
  await quiesceScene(scene)
})
