// Profiles with keys, under attack by an outsider without the secret: forged, replayed, reflected and cut datagrams,
// floods, and keys that change meanwhile.
import { Endpoint, type EndpointOptions, fixed, type Peer } from "@x/endpoint"
import { systemHost } from "@x/transport"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { describe, expect, test } from "vitest"
import { REPLAY_WINDOW_MIN, ReplayWindow } from "../../src/path/replay-window.ts"
import { NonceWatch } from "../nonce-watch.ts"
import { PORT } from "../world.ts"
import { heldBytes } from "./garbage.ts"
import { dropped, forgedSource, record, type Recorded, v4Of } from "./forger.ts"
import { Ledger, quiesce } from "./ledger.ts"
import { LONG_MS, SCALE } from "./scale.ts"

const SECRET = "a secret of more than sixteen bytes"

interface Guarded {
  readonly network: Network
  readonly hosts: SimulatedHost[]
  readonly watch: NonceWatch
  bind(name: string, options?: EndpointOptions): Promise<Endpoint>
}

/** Endpoints with one secret; what they seal is watched, which takes memory. */
function guarded(
  seed: number,
  protection: "mac" | "aead" = "aead",
  link: LinkOptions = { delayMs: 5 },
  isWatched = true,
): Guarded {
  const watch = new NonceWatch(systemHost().crypto)
  const network = createNetwork({ seed, link, crypto: isWatched ? watch : systemHost().crypto })
  const hosts: SimulatedHost[] = []
  return {
    network,
    hosts,
    watch,
    bind(name, options = {}) {
      const host = network.host(name)
      hosts.push(host)
      return network.until(Endpoint.bind({ port: PORT, protection, secrets: [SECRET], ...options, host }))
    },
  }
}

async function guardedPair(
  seed: number,
  protection?: "mac" | "aead",
  options: EndpointOptions = {},
): Promise<Guarded & { a: Endpoint; b: Endpoint; toB: Peer; recorded: Recorded[] }> {
  const world = guarded(seed, protection)
  const a = await world.bind("a", options)
  const b = await world.bind("b", options)
  const recorded = record(world.network)
  const toB = await world.network.until(a.join(`10.0.0.2:${PORT}`))
  await world.network.when(() => b.peers.length === 1)
  await world.network.advance(50)
  return { ...world, a, b, toB, recorded }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
const isHandshake = ({ bytes }: Recorded): boolean => wire.prefixHandshake(viewOf(bytes), 0)
const slotOf = ({ bytes }: Recorded): number => wire.prefixSlot(viewOf(bytes), 0)

/** A copy with other bytes in its prefix. */
function readdressed({ bytes }: Recorded, fields: { slot?: number; counter?: number; epoch?: number }): Uint8Array {
  const view = viewOf(bytes)
  const copy = bytes.slice()
  const {
    slot = wire.prefixSlot(view, 0),
    counter = wire.prefixCounter(view, 0),
    epoch = wire.prefixEpoch(view, 0),
  } = fields
  wire.writePrefix(viewOf(copy), 0, (bytes[0]! & 3) as wire.Profile, false, slot, counter, epoch)
  return copy
}

describe.each(["mac", "aead"] as const)("%s", (protection) => {
  test("F36 a tag cut to 4, 8 or 12 bytes, or by one, is refused, and the whole one is still good afterwards", async () => {
    const { network, a, b, toB, recorded } = await guardedPair(36, protection)
    const received: number[] = []
    b.handle(1, ({ length }) => received.push(length))
    network.filter((datagram) => {
      recorded.push({ ...datagram, bytes: datagram.bytes.slice() })
      return datagram.to !== "b"
    })
    recorded.length = 0
    toB.open().trySend(1, new Uint8Array(100))
    await network.advance(1)
    const genuine = recorded.filter(({ to }) => to === "b").map(({ bytes }) => bytes)
    const before = b.stats().drops.tag
    for (const bytes of genuine)
      for (const tagBytes of [4, 8, 12, 15])
        network.inject(v4Of(a), v4Of(b), bytes.subarray(0, bytes.length - 16 + tagBytes))
    await network.advance(1)
    expect([b.stats().drops.tag - before, received]).toEqual([4 * genuine.length, []])
    for (const bytes of genuine) network.inject(v4Of(a), v4Of(b), bytes)
    await network.advance(1)
    expect(received).toEqual([100])
  })

  test("F32 a datagram with any one byte changed ends nothing: it is a wrong tag, or nobody's", async () => {
    const { network, a, b, toB, recorded } = await guardedPair(32, protection)
    const left: string[] = []
    b.on("left", ({ unique }) => left.push(unique))
    network.filter((datagram) => {
      recorded.push({ ...datagram, bytes: datagram.bytes.slice() })
      return datagram.to !== "b"
    })
    recorded.length = 0
    void a.close()
    await network.advance(1)
    const goodbye = recorded.findLast(({ to }) => to === "b")!.bytes
    for (let i = 0; i < goodbye.length; i++)
      for (const bit of [1, 128]) {
        const forged = goodbye.slice()
        forged[i]! ^= bit
        network.inject(v4Of(a), v4Of(b), forged)
      }
    await network.advance(5)
    expect([left, toB.state === "left", b.peers.length]).toEqual([[], true, 1])
    network.inject(v4Of(a), v4Of(b), goodbye)
    await network.advance(1)
    expect(left).toHaveLength(1)
  })

  test("F39 a datagram that is sent back, or on to another peer of the same secret, is a wrong tag there", async () => {
    const { network, a, b, bind, toB, recorded } = await guardedPair(39, protection)
    const c = await bind("c")
    await network.until(c.join(`10.0.0.1:${PORT}`))
    await network.advance(50)
    // It uses only valid slots: datagrams for c go to c's slot.
    const slots = {
      a: slotOf(recorded.findLast((it) => it.from === "b" && it.to === "a" && !isHandshake(it))!),
      c: slotOf(recorded.findLast((it) => it.to === "c" && !isHandshake(it))!),
    }
    toB.open().trySend(1, new Uint8Array(100))
    await network.advance(20)
    const datagram = recorded.findLast((it) => it.from === "a" && it.to === "b" && !isHandshake(it))!
    const before = [a.stats().drops.tag, c.stats().drops.tag]
    for (let counter = 100; counter < 110; counter++) {
      network.inject(v4Of(b), v4Of(a), readdressed(datagram, { slot: slots.a, counter }))
      network.inject(v4Of(a), v4Of(c), readdressed(datagram, { slot: slots.c, counter }))
    }
    network.inject(v4Of(a), v4Of(c), readdressed(datagram, { slot: slots.c }))
    await network.advance(5)
    expect([a.stats().drops.tag - before[0]!, c.stats().drops.tag + c.stats().drops.duplicate - before[1]!]).toEqual([
      10, 11,
    ])
    expect([a.peers.length, b.peers.length, c.peers.length]).toEqual([2, 1, 1])
  })

  test("F41 datagrams without keys, sealed or not, are dropped without a word, live slot or none", async () => {
    const { network, a, b, recorded } = await guardedPair(41, protection)
    const datagram = recorded.findLast((it) => it.to === "b" && !isHandshake(it))!
    await network.advance(50)
    const [sent, peers] = [b.stats().transport.datagramsSent, b.peers.length]
    const before = b.stats().drops.profile
    for (const profile of [
      wire.PROFILE.none,
      wire.PROFILE.checksum,
      protection === "mac" ? wire.PROFILE.aead : wire.PROFILE.mac,
    ])
      for (const handshake of [false, true])
        for (let counter = 1; counter <= 50; counter++) {
          const bytes = datagram.bytes.slice()
          wire.writePrefix(viewOf(bytes), 0, profile, handshake, handshake ? 0 : slotOf(datagram), counter + 1_000)
          network.inject(v4Of(a), v4Of(b), bytes)
        }
    await network.advance(10)
    expect(b.stats().drops.profile - before).toBe(300)
    expect([b.stats().transport.datagramsSent, b.peers.length]).toEqual([sent, peers])
  })
})

test("F38 of a million copies of what was recorded none is taken, at once, behind the window, under later keys; and nothing that is good is refused", async () => {
  // No larger one is probed for: the path would lose it, and the first copy would be genuine.
  const options = { rekeyAgeMs: 1_000, congestion: fixed(), datagramBytes: 1_452 }
  const { network, a, b, toB, recorded } = await guardedPair(38, "aead", options)
  const ledger = new Ledger(network, a, b)
  const stream = ledger.open(toB)
  let replays = 0
  const replay = async (count: number): Promise<number> => {
    const list = recorded.filter((it) => it.to === "b" && !isHandshake(it))
    const before = [dropped(b), b.stats().transport.datagramsReceived]
    for (let i = 0; i < count; i++, replays++) {
      network.inject(v4Of(a), v4Of(b), list[i % list.length]!.bytes)
      if (i % 500 === 499) await network.advance(0)
    }
    await network.advance(0)
    // Everything received in between was dropped, except what a really sent.
    return b.stats().transport.datagramsReceived - before[1]! - (dropped(b) - before[0]!)
  }
  let genuine = 0
  const speak = async (messages: number): Promise<void> => {
    for (let i = 0; i < messages; i++) {
      stream.trySend(1_000)
      if (i % 50 === 49) await network.advance(20)
    }
    await network.until(stream.stream.flush())
    await network.advance(100)
  }
  await speak(500)
  genuine += await replay(200_000)
  // Below the window.
  await speak(REPLAY_WINDOW_MIN + 100)
  recorded.length = 1_000
  genuine += await replay(400_000)
  // Three epochs later.
  for (let i = 0; i < 30; i++) {
    await network.advance(1_000)
    stream.trySend(10)
  }
  genuine += await replay(400_000)
  await network.until(stream.stream.flush())
  expect([replays, genuine]).toEqual([1_000_000, 0])
  expect(stream.delivered).toHaveLength(stream.lengths.length)
  network.filter(() => true)
  await quiesce(ledger)
})

test("F38 of 64 copies of one datagram in one batch one is taken", async () => {
  const { network, a, b, toB, recorded } = await guardedPair(64)
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  const held: Uint8Array[] = []
  network.filter(({ to, bytes }) => {
    if (to !== "b") return true
    held.push(bytes.slice())
    return false
  })
  recorded.length = 0
  toB.open({ delivery: "fire-and-forget" }).trySend(1, new Uint8Array(77))
  await network.advance(1)
  const before = b.stats().drops.duplicate
  for (const bytes of held) for (let i = 0; i < 64; i++) network.inject(v4Of(a), v4Of(b), bytes)
  await network.advance(0)
  expect([received, b.stats().drops.duplicate - before]).toEqual([[77], 63 * held.length])
})

test("F38 near the highest counter what is new is taken, and what was is not", () => {
  const window = new ReplayWindow()
  for (let counter = wire.NUMBER_MAX - 20_000; counter <= wire.NUMBER_MAX; counter += 3) {
    expect(window.check(counter)).toBeUndefined()
    window.commit(counter)
    expect(window.check(counter)).toBe("duplicate")
  }
  expect(window.check(window.highest - REPLAY_WINDOW_MIN)).toBe("stale")
})

test("F40 ten changes of keys under loss of a fifth, reordering and forged next epochs lose no message, with one check for a datagram", async () => {
  const { network, watch, a, b, toB } = await guardedPair(40, "aead", { rekeyAgeMs: 1_000 })
  network.link("a", "b", { delayMs: 20, jitterMs: 20, lossRate: 0.2, reorderRate: 0.1 })
  network.link("b", "a", { delayMs: 20, jitterMs: 20, lossRate: 0.2, reorderRate: 0.1 })
  const epochs = new Set<number>()
  let [last, forged]: [Recorded | undefined, number] = [undefined, 0]
  network.filter((datagram) => {
    if (datagram.to === "b" && !isHandshake(datagram)) {
      epochs.add(wire.prefixEpoch(viewOf(datagram.bytes), 0))
      last = { ...datagram, bytes: datagram.bytes.slice() }
    }
    return true
  })
  const ledger = new Ledger(network, a, b)
  const stream = ledger.open(toB)
  const before = [watch.opened, a.stats().transport.datagramsReceived + b.stats().transport.datagramsReceived]
  while (epochs.size < 11) {
    for (let i = 0; i < 10; i++) stream.trySend(2_000)
    await network.advance(500)
    // The forger knows slot and counter, and that another epoch is to come.
    const view = viewOf(last!.bytes)
    for (let i = 1; i <= 100; i++, forged++) {
      const counter = wire.prefixCounter(view, 0) + i
      network.inject(v4Of(a), v4Of(b), readdressed(last!, { counter, epoch: (wire.prefixEpoch(view, 0) + 1) & 0xff }))
    }
  }
  await network.until(stream.stream.flush(), 60_000)
  const received = a.stats().transport.datagramsReceived + b.stats().transport.datagramsReceived - before[1]!
  console.log(
    `${epochs.size} epochs, ${forged} forged, ${received} datagrams received, ${watch.opened - before[0]!} checked`,
  )
  expect(forged).toBeGreaterThanOrEqual(10_000)
  expect(watch.opened - before[0]!).toBeLessThanOrEqual(received)
  expect([watch.repeated, stream.delivered.length, a.peers]).toEqual([[], stream.lengths.length, [toB]])
  await quiesce(ledger)
})

test("F42 a flood under a wrong secret is answered by nothing, passes no gate, and holds nothing", async () => {
  const { network, watch, bind } = guarded(42)
  const b = await bind("b", { secrets: [SECRET, "the former secret, still good"] })
  const stranger = await bind("s", { secrets: ["what a stranger takes for it"] })
  const recorded = record(network)
  void stranger.join(`10.0.0.1:${PORT}`, { timeoutMs: 1 }).catch(() => {})
  await network.advance(20)
  const join = recorded.find(({ to }) => to === "b")!.bytes
  const before = watch.opened
  for (let i = 0; i < 10_000; i++) {
    const forged = join.slice()
    // A different join each time, as if from as many senders.
    forged[20]! ^= i
    forged[21]! ^= i >>> 8
    network.inject(forgedSource(i), v4Of(b), forged)
    if (i % 100 === 99) await network.advance(1)
  }
  await network.advance(100)
  expect(b.stats().transport.datagramsSent).toBe(0)
  expect(b.stats().drops.tag).toBe(10_001)
  expect(watch.opened - before).toBe(0)
  expect(b.sizes).toMatchObject({ halfOpen: 0, joins: 0, peers: 0, slots: 0 })
})

test("F43 where no change of keys is heard of, sending stops before the limit, and says so", async () => {
  const { network, a, b, toB } = await guardedPair(43, "aead", {
    rekeyDatagrams: 1_024,
    keyDatagramsMax: 4_096,
    inFlightMax: 100_000,
    congestion: fixed({ windowBytes: 1 << 30, paceBytesPerMs: 1e6 }),
  })
  const left: string[] = []
  a.on("left", (_, { reason, text }) => left.push(`${reason} ${text}`))
  let sent = 0
  network.filter(({ from }) => {
    if (from === "a") sent++
    return from === "a"
  })
  const stream = toB.open({ delivery: "fire-and-forget" })
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  for (let i = 0; i < 8_000 && left.length === 0; i++) {
    if (stream.state === "open") stream.trySend(1, new Uint8Array(1_000))
    await network.advance(0.2)
  }
  expect(left).toHaveLength(1)
  expect(left[0]).toMatch(/keys/)
  expect(sent).toBeGreaterThan(1_024)
  expect(sent).toBeLessThanOrEqual(4_096 + 64)
})

test(
  "F44 whatever comes before a source is proved, no more goes out than came in, and nothing at all to who doesn't know the secret",
  async () => {
    const { network, b, recorded } = await guardedPair(44)
    const genuine = recorded.map(({ bytes }) => bytes)
    const joins = recorded.filter((it) => it.to === "b" && isHandshake(it)).map(({ bytes }) => bytes)
    recorded.length = 0
    let [noise, bytesIn] = [44, 0]
    const random = (below: number): number => {
      noise = (Math.imul(noise, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((noise / 2 ** 32) * below)
    }
    const answers = async (make: (i: number) => Uint8Array): Promise<number> => {
      const before = b.stats().transport.bytesSent
      let live = 0
      network.filter(({ to, bytes }) => {
        if (to === "a") live += bytes.length
        return true
      })
      for (let i = 0; i < 10_000 * SCALE; i++) {
        const bytes = make(i)
        bytesIn += bytes.length
        network.inject(forgedSource(i), v4Of(b), bytes)
        if (i % 50 === 49) await network.advance(1)
      }
      return b.stats().transport.bytesSent - before - live
    }
    // Altered somewhere, cut, or made up, with a prefix that looks good.
    const fuzzed = await answers((i) => {
      const bytes =
        i % 3 === 0
          ? new Uint8Array(30 + random(1_170)).map(() => random(256))
          : genuine[random(genuine.length)]!.slice()
      bytes[0] = wire.PROFILE.aead | (i % 2 === 0 ? 4 : 0)
      if (i % 5 === 0) bytes.fill(0, 1, 5)
      bytes[12 + random(bytes.length - 12)]! ^= 1 + random(255)
      return bytes.subarray(0, i % 7 === 0 ? 13 + random(bytes.length - 13) : bytes.length)
    })
    expect(fuzzed).toBe(0)
    // Copies of genuine datagrams, from anywhere.
    bytesIn = 0
    const copied = await answers((i) => joins[i % joins.length]!)
    console.log(`copies of genuine joins: ${bytesIn} bytes in, ${copied} out`)
    expect(copied).toBeLessThanOrEqual(bytesIn)
    expect(b.peers).toHaveLength(1)
  },
  LONG_MS,
)

test(
  "F21 copies of a genuine join from forged sources take no memory and answer less than they bring, and real joins beside them come through",
  async () => {
    const { network, bind } = guarded(21, "aead", { delayMs: 5 }, false)
    const b = await bind("b")
    const a = await bind("a")
    const recorded = record(network)
    void a.join(`10.0.0.1:${PORT}`, { timeoutMs: 1 }).catch(() => {})
    await network.advance(2)
    const join = recorded.find(({ to }) => to === "b")!.bytes
    network.filter(() => true)
    await network.advance(6_000)
    let sent = 0
    const flood = async (joins: number): Promise<void> => {
      for (let i = 0; i < joins; i++, sent++) {
        network.inject(forgedSource(sent), v4Of(b), join, (i % 50) / 50)
        if (i % 50 === 49) await network.advance(1)
      }
    }
    await flood(2_000)
    const before = heldBytes()
    const bytesBefore = b.stats().transport.bytesSent
    await flood(4_000 * SCALE)
    const [grown, out] = [heldBytes() - before, b.stats().transport.bytesSent - bytesBefore]
    const tookMs: number[] = []
    const joining: Promise<unknown>[] = []
    for (let i = 0; i < 10; i++) {
      const guest = await bind(`guest ${i}`)
      const startMs = network.now
      joining.push(guest.join(`10.0.0.1:${PORT}`).then(() => tookMs.push(network.now - startMs)))
      await flood(600 * SCALE)
    }
    await network.until(Promise.all(joining), 20_000)
    const mostMs = Math.max(...tookMs)
    console.log(
      `${sent} copies: ${(grown / 1024).toFixed(0)} KiB more held, real joins took at most ${mostMs.toFixed(1)} ms, ${out} bytes out`,
    )
    expect(grown).toBeLessThanOrEqual(1_048_576)
    expect(mostMs).toBeLessThanOrEqual(2_000)
    expect(out).toBeLessThanOrEqual(4_000 * SCALE * join.length)
    await network.advance(6_000)
    expect(b.sizes).toMatchObject({ halfOpen: 0, joins: 0, peers: 10 })
  },
  LONG_MS,
)

test("F22 every datagram of a join by keys, a hundred times and in any order, makes one association", async () => {
  const { network, bind } = guarded(22)
  const a = await bind("a")
  const b = await bind("b")
  const events: string[] = []
  for (const endpoint of [a, b])
    for (const name of ["joined", "rejoined", "restarted", "left"] as const) endpoint.on(name, () => events.push(name))
  const addressOf = { a: v4Of(a), b: v4Of(b) } as Record<string, ReturnType<typeof v4Of>>
  let repeated = 0
  network.filter((datagram) => {
    if (!isHandshake(datagram)) return true
    const { from, to, bytes } = datagram
    for (let i = 0; i < 100; i++, repeated++)
      network.inject(addressOf[from]!, addressOf[to]!, bytes, 5 + ((repeated * 7) % 30) / 2)
    return true
  })
  const ledger = new Ledger(network, a, b)
  const stream = ledger.open(await network.until(a.join(`10.0.0.2:${PORT}`)))
  for (let i = 0; i < 50; i++) stream.trySend(500)
  await network.advance(6_000)
  expect(repeated).toBeGreaterThanOrEqual(200)
  expect(events).toEqual(["joined", "joined"])
  expect([a.sizes.slots, b.sizes.slots, b.sizes.halfOpen]).toEqual([1, 1, 0])
  network.filter(() => true)
  await quiesce(ledger)
})

test("F22 of fifty copies of a first join one is answered, and one association is half open", async () => {
  const { network, bind } = guarded(22)
  const a = await bind("a")
  const b = await bind("b")
  let answers = 0
  network.filter((datagram) => {
    if (datagram.to === "b") for (let i = 0; i < 49; i++) network.inject(v4Of(a), v4Of(b), datagram.bytes, 5)
    else answers++
    return datagram.to === "b"
  })
  void a.join(`10.0.0.2:${PORT}`, { timeoutMs: 1 }).catch(() => {})
  await network.advance(20)
  // Four copies of one join are read, and the others dropped unread.
  const { unexpected, rate } = b.stats().drops
  expect([answers, b.sizes.halfOpen, unexpected, rate]).toEqual([1, 1, 3, 46])
})

test("F23 a join by keys that is replayed later, from where it came and from elsewhere, leaves a live association untouched", async () => {
  const { network, a, b, toB, recorded } = await guardedPair(23)
  const ledger = new Ledger(network, a, b)
  const stream = ledger.open(toB)
  const handshakes = recorded.filter(isHandshake)
  const events: string[] = []
  for (const endpoint of [a, b])
    for (const name of ["joined", "rejoined", "restarted", "left"] as const) endpoint.on(name, () => events.push(name))
  const addressOf = { a: v4Of(a), b: v4Of(b) } as Record<string, ReturnType<typeof v4Of>>
  for (const afterMs of [0, 1_000, 30_000, 70_000, 100_000]) {
    await network.advance(afterMs)
    stream.trySend(3_000)
    for (const { from, to, bytes } of handshakes)
      for (const source of [addressOf[from]!, forgedSource(3)]) network.inject(source, addressOf[to]!, bytes)
    await ledger.advance(100)
    expect([events, a.peers, b.peers.length, stream.delivered.length]).toEqual([[], [toB], 1, stream.lengths.length])
  }
  await network.advance(6_000)
  expect([a.sizes.slots, b.sizes.slots, b.sizes.halfOpen]).toEqual([1, 1, 0])
  await quiesce(ledger)
})

test("F26 a restart under keys is told once, and nothing of the process before is taken two minutes later", async () => {
  const { network, hosts, a, bind, toB, recorded } = await guardedPair(26)
  const events: string[] = []
  for (const name of ["joined", "rejoined", "restarted", "left"] as const) a.on(name, () => events.push(name))
  toB.open().trySend(1, new Uint8Array(10))
  await network.advance(100)
  const old = recorded.filter((it) => it.to === "a")
  hosts[1]!.crash()
  const again = await bind("b")
  await network.until(again.join(`10.0.0.1:${PORT}`))
  await network.advance(120_000)
  expect(events).toEqual(["left", "restarted"])
  const [before, was] = [a.stats().transport.datagramsReceived, dropped(a)]
  for (const { bytes } of old) network.inject(v4Of(again), v4Of(a), bytes)
  await network.advance(0)
  const received = a.stats().transport.datagramsReceived - before
  expect(received).toBeGreaterThanOrEqual(old.length)
  expect([dropped(a) - was, events]).toEqual([received, ["left", "restarted"]])
})

test(
  "no key and nonce seal twice in a hundred thousand datagrams, with resends, changes of keys, restarts, and objects closed and bound again",
  async () => {
    const { network, watch, hosts, bind } = guarded(100, "aead", { delayMs: 2, jitterMs: 2, lossRate: 0.05 })
    const options: EndpointOptions = { rekeyDatagrams: 1_024, rekeyAgeMs: 5_000, congestion: fixed() }
    const b = await bind("b", options)
    let resent = 0
    for (let round = 0; watch.sealed < 100_000 * SCALE; round++) {
      const a = await bind("a", options)
      const peer = await network.until(a.join(`10.0.0.1:${PORT}`, { timeoutMs: 60_000 }))
      const stream = peer.open()
      for (let i = 0; i < 60; i++) {
        for (let k = 0; k < 100; k++) stream.trySend(1, new Uint8Array(1_000))
        await network.advance(400)
      }
      resent += peer.stats().packetsResent
      expect(b.peers.length).toBeGreaterThan(0)
      // It is killed, or it says goodbye and begins anew.
      if (round % 2 === 0) hosts.at(-1)!.crash()
      else await network.until(a.close(), 20_000)
    }
    console.log(`${watch.sealed} sealed under ${watch.keys} keys, ${resent} packets sent again`)
    expect(resent).toBeGreaterThan(1_000)
    expect(watch.keys).toBeGreaterThan(50)
    expect(watch.repeated).toEqual([])
  },
  LONG_MS,
)
