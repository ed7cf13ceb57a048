import { createSendBatch, type Host, type ReceiveBatch, withFaults } from "@x/transport"
import { createNetwork, type Network } from "@x/transport/simulated"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { Station } from "./station.ts"

async function pair(
  options: Parameters<typeof withFaults>[1],
): Promise<{ network: Network; a: Station; b: Station; faults: { sendLost: number; receiveLost: number } }> {
  const network = createNetwork({ seed: 1 })
  const faulty = withFaults(network.host("a"), options)
  return {
    network,
    a: await network.until(Station.bind(faulty)),
    b: await network.until(Station.bind(network.host("b"))),
    faults: faulty.faults,
  }
}

const numbered = (count: number, from = 0): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => Uint8Array.of((from + i) >>> 8, (from + i) & 255))
const numbersOf = (station: Station): number[] => station.received.map(({ bytes }) => (bytes[0]! << 8) | bytes[1]!)

describe("a host with faults", () => {
  test("loses about its share both ways, counts exactly, and keeps the order of the rest", async () => {
    const { network, a, b, faults } = await pair({ seed: 5, lossRate: 0.2 })
    for (let i = 0; i < 40; i++) {
      expect(a.send(b.addressOf(4), numbered(50, i * 50))).toBe(50)
      b.send(a.addressOf(4), numbered(50, i * 50))
      await network.advance(1)
    }
    expect(b.received.length).toBe(2_000 - faults.sendLost)
    expect(a.received.length).toBe(2_000 - faults.receiveLost)
    // 400, give or take five standard deviations of 18.
    for (const lost of [faults.sendLost, faults.receiveLost]) expect(Math.abs(lost - 400)).toBeLessThan(90)
    for (const station of [a, b]) expect(numbersOf(station)).toEqual(numbersOf(station).toSorted((x, y) => x - y))
  })

  test("loses the same datagrams with the same seed, others with another", async () => {
    const run = async (seed: number): Promise<number[]> => {
      const { network, a, b } = await pair({ seed, sendLossRate: 0.5 })
      a.send(b.addressOf(4), numbered(100))
      await network.advance(1)
      return numbersOf(b)
    }
    expect(await run(1)).toEqual(await run(1))
    expect(await run(1)).not.toEqual(await run(2))
  })

  test("may lose everything or nothing, in one direction alone", async () => {
    const { network, a, b, faults } = await pair({ seed: 1, lossRate: 1, receiveLossRate: 0 })
    expect(a.send(b.addressOf(4), numbered(10))).toBe(10)
    b.send(a.addressOf(4), numbered(10))
    await network.advance(1)
    expect([a.received.length, b.received.length, faults]).toEqual([10, 0, { sendLost: 10, receiveLost: 0 }])
  })

  test("leaves what arrives its own source", async () => {
    const { network, a, b, faults } = await pair({ seed: 3, receiveLossRate: 0.5 })
    for (let i = 0; i < 60; i++) b.send(a.addressOf(i % 3 === 0 ? 6 : 4), numbered(1, i))
    await network.advance(1)
    expect(a.received.length).toBe(60 - faults.receiveLost)
    for (const { bytes, from } of a.received) expect(from).toEqual(b.addressOf(bytes[1]! % 3 === 0 ? 6 : 4))
  })

  test("hands over no batch of which nothing is left", async () => {
    const { network, a, b, faults } = await pair({ seed: 1, receiveLossRate: 1 })
    a.transport.onReceive(() => expect.unreachable())
    b.send(a.addressOf(4), numbered(10))
    await network.advance(1)
    expect(faults).toEqual({ sendLost: 0, receiveLost: 10 })
  })

  test("refuses rates that are none", () => {
    const host = createNetwork({ seed: 1 }).host("a")
    for (const lossRate of [2, -1, Number.NaN])
      expect(() => withFaults(host, { seed: 1, lossRate })).toThrow(RangeError)
  })

  test("sends each row once, in order, whatever the transport below takes at a time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 1 }),
        async (seed, lossRate, room) => {
          const below = new Narrow(room)
          const faulty = withFaults({ bind: async () => below } as unknown as Host, { seed, lossRate })
          const transport = await faulty.bind({})
          const batch = createSendBatch(30)
          let next = 0
          for (let calls = 0; next < 30 && calls < 1_000; calls++) {
            batch.count = 30 - next
            for (let row = 0; row < batch.count; row++) batch.offset[row] = next + row
            next += transport.send(batch)
          }
          expect(below.sent).toEqual([...new Set(below.sent)].toSorted((x, y) => x - y))
          if (next === 30) expect(below.sent.length + faulty.faults.sendLost).toBe(30)
        },
      ),
    )
  })
})

/** Takes as many rows as it has room for. */
class Narrow {
  readonly sent: number[] = []
  readonly #room: readonly number[]
  #calls = 0

  constructor(room: readonly number[]) {
    this.#room = room
  }

  send(batch: { readonly count: number; readonly offset: Int32Array }): number {
    const taken = Math.min(batch.count, this.#room[this.#calls++ % this.#room.length]!)
    this.sent.push(...batch.offset.subarray(0, taken))
    return taken
  }

  onReceive(_receive: (batch: ReceiveBatch) => void): void {}
}
