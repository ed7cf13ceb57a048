import { createNetwork, type LinkOptions, type Network, type PresetName, PRESETS } from "@x/transport/simulated"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { pattern, Station } from "../station.ts"
import { runs } from "../../../../tools/testkit/src/runs.ts"

const rate = fc.double({ min: 0, max: 1, noNaN: true })

/** A link of any kind, some of its faults off. */
const anyLink: fc.Arbitrary<LinkOptions> = fc.record(
  {
    delayMs: fc.double({ min: 0, max: 500, noNaN: true }),
    jitterMs: fc.double({ min: 0, max: 100, noNaN: true }),
    lossRate: rate,
    burst: fc.record({ enterRate: rate, leaveRate: rate, lossRate: rate }),
    duplicateRate: rate,
    reorderRate: rate,
    reorderDelayMs: fc.double({ min: 0, max: 200, noNaN: true }),
    corruptRate: rate,
    replayRate: rate,
    replayDelayMs: fc.double({ min: 0, max: 5_000, noNaN: true }),
    mtuBytes: fc.integer({ min: 20, max: 100 }),
    mtuSilent: fc.boolean(),
    rateBitsPerSecond: fc.integer({ min: 1_000, max: 10_000_000 }),
    queueBytes: fc.integer({ min: 100, max: 10_000 }),
  },
  { requiredKeys: [] },
)

async function pair(options: LinkOptions, seed = 1): Promise<{ network: Network; a: Station; b: Station }> {
  const network = createNetwork({ seed, link: options })
  const [a, b] = [
    await network.until(Station.bind(network.host("a"))),
    await network.until(Station.bind(network.host("b"))),
  ]
  return { network, a, b }
}

/** Sends `count` numbered datagrams, a batch a millisecond, and returns the numbers of those that came. */
async function sendNumbered(
  { network, a, b }: { network: Network; a: Station; b: Station },
  count: number,
  length = 40,
): Promise<number[]> {
  for (let sent = 0; sent < count;) {
    const datagrams = Array.from({ length: Math.min(50, count - sent) }, (_, i) => numbered(sent + i, length))
    sent += a.send(b.addressOf(4), datagrams)
    await network.advance(1)
  }
  await network.advance(10_000)
  return b.received.map(({ bytes }) => new DataView(bytes.buffer).getUint32(0))
}

function numbered(number: number, length: number): Uint8Array {
  const bytes = pattern(length, number)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe("a link", () => {
  test("without faults keeps all datagrams in order, whatever its delay, jitter and rate", async () => {
    const options = fc.record({
      delayMs: fc.integer({ min: 0, max: 500 }),
      jitterMs: fc.integer({ min: 0, max: 50 }),
      rateBitsPerSecond: fc.integer({ min: 100_000, max: 10_000_000 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.integer(), options, async (seed, link) => {
        expect(await sendNumbered(await pair({ ...link, queueBytes: 1_000_000 }, seed), 200)).toEqual(upTo(200))
      }),
      { numRuns: runs(30) },
    )
  })

  test("loses the share that it is set to, within five standard deviations", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), rate, async (seed, lossRate) => {
        const world = await pair({ lossRate }, seed)
        const count = 2_000
        const received = (await sendNumbered(world, count)).length
        expect(Math.abs(count - received - count * lossRate)).toBeLessThanOrEqual(
          5 * Math.sqrt(count * lossRate * (1 - lossRate)) + 1,
        )
        expect(world.network.linkOf("a", "b").counts).toMatchObject({ lost: count - received, delivered: received })
      }),
      { numRuns: runs(20) },
    )
  })

  test("in bursts loses runs that are as long as the bad state lasts", async () => {
    const world = await pair({ burst: { enterRate: 0.01, leaveRate: 0.1, lossRate: 1 } })
    const received = new Set(await sendNumbered(world, 20_000))
    const lost = upTo(20_000).filter((number) => !received.has(number))
    const runs = lost.filter((number) => !lost.includes(number - 1)).length
    // A run is 1 / leaveRate long on average; the bad state holds 1 in 11 datagrams.
    expect(lost.length / runs).toBeGreaterThan(7)
    expect(lost.length / runs).toBeLessThan(13)
    expect(lost.length / 20_000).toBeCloseTo(1 / 11, 1)
  })

  test("loses exactly what its list says", async () => {
    const dropList = [0, 3, 4, 99]
    const world = await pair({ dropList })
    expect(await sendNumbered(world, 100)).toEqual(upTo(100).filter((number) => !dropList.includes(number)))
    expect(world.network.linkOf("a", "b").counts.listed).toBe(4)
  })

  test("replays old copies as late as it is set to, each once and without altering it", async () => {
    const { network, a, b } = await pair({ delayMs: 5, replayRate: 1, replayDelayMs: 120_000 })
    a.send(
      b.addressOf(4),
      upTo(100).map((number) => numbered(number, 40)),
    )
    await network.advance(6)
    const first = b.received.map(({ bytes }) => new DataView(bytes.buffer).getUint32(0))
    expect(first.filter((number, i) => i > 0 && number !== first[i - 1]! + 1)).toEqual([])
    await network.advance(60_000)
    const half = b.received.length
    expect(half).toBeGreaterThan(first.length + 20)
    expect(half).toBeLessThan(180)
    await network.advance(60_000)
    for (const { bytes } of b.received) expect(bytes).toEqual(numbered(new DataView(bytes.buffer).getUint32(0), 40))
    expect(b.received).toHaveLength(200)
  })

  test("when clogged holds everything up and lets it through at once, in order, one way only", async () => {
    const { network, a, b } = await pair({ delayMs: 5 })
    network.clog("a", "b", 1_000)
    a.send(b.addressOf(4), [numbered(0, 40)])
    await network.advance(500)
    a.send(b.addressOf(4), [numbered(1, 40)])
    b.send(a.addressOf(4), [numbered(2, 40)])
    await network.advance(499)
    expect([a.received.length, b.received.length]).toEqual([1, 0])
    await network.advance(1)
    expect(b.received.map(({ bytes }) => bytes[3])).toEqual([0, 1])
    a.send(b.addressOf(4), [numbered(3, 40)])
    await network.advance(5)
    expect(b.received).toHaveLength(3)
  })

  test("duplicates the share that it is set to, each once and without altering it", async () => {
    const world = await pair({ duplicateRate: 1 })
    const received = await sendNumbered(world, 100)
    expect(received.toSorted((a, b) => a - b)).toEqual(upTo(100).flatMap((number) => [number, number]))
    for (const { bytes } of world.b.received)
      expect(bytes).toEqual(numbered(new DataView(bytes.buffer).getUint32(0), 40))
  })

  test("reorders within its bound", async () => {
    const world = await pair({ delayMs: 5, reorderRate: 0.2, reorderDelayMs: 30 })
    const received = await sendNumbered(world, 2_000)
    expect(received.toSorted((a, b) => a - b)).toEqual(upTo(2_000))
    expect(received).not.toEqual(upTo(2_000))
    // 50 are sent each millisecond: none is overtaken by more than come in 30 ms.
    const overtaken = received.map((number, place) => place - number)
    expect(Math.max(...overtaken)).toBeLessThanOrEqual(31 * 50)
    expect(Math.max(...overtaken)).toBeGreaterThan(25 * 50)
  })

  test("flips one to three bits of what it corrupts, never of what waits elsewhere", async () => {
    const world = await pair({ corruptRate: 0.5, duplicateRate: 1 })
    world.a.send(
      world.b.addressOf(4),
      Array.from({ length: 100 }, () => pattern(40)),
    )
    await world.network.advance(1_000)
    const flips = world.b.received.map(({ bytes }) =>
      bytes.reduce((total, byte, i) => total + bitsOf(byte ^ pattern(40)[i]!), 0),
    )
    expect(Math.max(...flips)).toBeLessThanOrEqual(3)
    // The sender's memory is its own.
    expect(world.a.slab.subarray(0, 40)).toEqual(pattern(40))
    // The copies are whole.
    expect(flips.filter((count) => count === 0).length).toBeGreaterThanOrEqual(100)
    expect(flips.filter((count) => count > 0).length).toBeGreaterThan(30)
  })

  test("refuses what is longer than its MTU at the sender, or loses it silently", async () => {
    for (const mtuSilent of [false, true]) {
      const { network, a, b } = await pair({ mtuBytes: 1_200, mtuSilent })
      a.send(b.addressOf(4), [pattern(1_200), pattern(1_201), pattern(1)])
      await network.advance(1)
      expect(b.received.map(({ bytes }) => bytes.length)).toEqual([1_200, 1])
      expect(a.errors.map(({ code, bytes }) => [code, bytes])).toEqual(mtuSilent ? [] : [["EMSGSIZE", 1_201]])
      expect(network.linkOf("a", "b").counts.mtu).toBe(1)
    }
  })

  test("with a rate sends one after the other, and loses what its queue doesn't hold", async () => {
    // 1,000 B and 46 B of headers take 10 ms.
    const { network, a, b } = await pair({ rateBitsPerSecond: 836_800, queueBytes: 4_000 })
    a.send(
      b.addressOf(4),
      Array.from({ length: 10 }, (_, i) => pattern(1_000, i)),
    )
    const arrivals: number[] = []
    for (let ms = 0; ms < 200; ms++) {
      await network.advance(1)
      while (arrivals.length < b.received.length) arrivals.push(network.now)
    }
    expect(arrivals).toEqual([10, 20, 30])
    expect(network.linkOf("a", "b").counts).toMatchObject({ delivered: 3, queue: 7 })
  })

  test("that is cut loses everything in one direction or in both, until it heals", async () => {
    const { network, a, b } = await pair({})
    const talk = async (): Promise<string> => {
      const before = [a.received.length, b.received.length]
      a.send(b.addressOf(4), [pattern(1)])
      b.send(a.addressOf(4), [pattern(1)])
      await network.advance(1)
      return `${b.received.length - before[1]!} ${a.received.length - before[0]!}`
    }
    expect(await talk()).toBe("1 1")
    network.partition("a", "b", { both: false })
    expect(await talk()).toBe("0 1")
    network.partition("a", "b")
    expect(await talk()).toBe("0 0")
    network.host("c")
    network.heal("c", "b")
    expect(await talk()).toBe("0 0")
    network.heal("b", "a")
    expect(await talk()).toBe("1 1")
    network.partition("b", "a", { both: false })
    network.heal()
    expect(await talk()).toBe("1 1")
  })

  test("refuses options that would silently lose everything or nothing", () => {
    const network = createNetwork({ seed: 1 })
    for (const options of [
      { lossRate: 5 },
      { lossRate: -0.1 },
      { delayMs: -1 },
      { jitterMs: Number.NaN },
      { burst: { enterRate: 2, leaveRate: 0, lossRate: 0 } },
    ] as LinkOptions[]) {
      expect(() => network.links(options)).toThrow(RangeError)
      expect(() => network.link("a", "b", options)).toThrow(RangeError)
      expect(() => createNetwork({ seed: 1, link: options })).toThrow(RangeError)
    }
  })
})

describe("a run", () => {
  const run = async (seed: number, link: LinkOptions): Promise<{ hash: string; received: string }> => {
    const world = await pair(link, seed)
    world.b.transport.onReceive((batch) =>
      world.b.send(
        world.a.addressOf(4),
        Array.from({ length: batch.count }, (_, row) => pattern(batch.length[row]!)),
      ),
    )
    await sendNumbered(world, 100)
    return { hash: world.network.traceHash, received: world.a.received.map(({ bytes }) => bytes.join()).join(";") }
  }

  test("of the same seed is the same in every byte, whatever the link does", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), anyLink, async (seed, link) => {
        expect(await run(seed, link)).toEqual(await run(seed, link))
      }),
      { numRuns: runs(30) },
    )
  })

  test("of another seed differs", async () => {
    expect((await run(1, PRESETS.hostile)).hash).not.toBe((await run(2, PRESETS.hostile)).hash)
  })

  test.each(Object.keys(PRESETS) as PresetName[])("over the preset %s brings most datagrams", async (name) => {
    const received = new Set(await sendNumbered(await pair(PRESETS[name]), 500, 20)).size
    expect(received).toBeGreaterThan(250)
  })

  test("draws other numbers for each direction", async () => {
    const { network, a, b } = await pair({ lossRate: 0.5 })
    const datagrams = Array.from({ length: 100 }, (_, i) => Uint8Array.of(i))
    a.send(b.addressOf(4), datagrams)
    b.send(a.addressOf(4), datagrams)
    await network.advance(1)
    expect(a.received.map(({ bytes }) => bytes[0])).not.toEqual(b.received.map(({ bytes }) => bytes[0]))
  })

  test("of one link is not changed by traffic on another", async () => {
    const lossOf = async (isBusy: boolean): Promise<number[]> => {
      const world = await pair({ lossRate: 0.3 })
      const c = await world.network.until(Station.bind(world.network.host("c")))
      if (isBusy)
        c.send(
          world.b.addressOf(4),
          Array.from({ length: 100 }, () => pattern(3)),
        )
      await world.network.advance(1)
      world.b.received.length = 0
      return sendNumbered(world, 200)
    }
    expect(await lossOf(true)).toEqual(await lossOf(false))
  })
})

function bitsOf(byte: number): number {
  return byte.toString(2).replaceAll("0", "").length
}
