import {
  createNetwork,
  type DatagramInTransit,
  type LinkOptions,
  type Network,
  PRESETS,
  type SimulatedHost,
} from "@x/transport/simulated"
import { describe, expect, test } from "vitest"
import { pattern, Station } from "../station.ts"

interface World {
  readonly network: Network
  readonly a: Station
  readonly b: Station
  readonly hostA: SimulatedHost
  readonly hostB: SimulatedHost
}

async function makeWorld(link: LinkOptions = {}): Promise<World> {
  const network = createNetwork({ seed: 1, link })
  const [hostA, hostB] = [network.host("a"), network.host("b")]
  const [a, b] = [
    await network.until(Station.bind(hostA, { port: 1 })),
    await network.until(Station.bind(hostB, { port: 1 })),
  ]
  return { network, a, b, hostA, hostB }
}

describe("virtual time", () => {
  test("passes as far as it is told to, and only then", async () => {
    const network = createNetwork({ seed: 1 })
    const host = network.host("a")
    const originMs = host.now()
    await network.advance(12.5)
    await network.advance(0)
    expect(network.now).toBe(12.5)
    expect(host.now() - originMs).toBe(12.5)
  })

  test("jumps from event to event: a year takes no time", async () => {
    const network = createNetwork({ seed: 1 })
    const host = network.host("a")
    const days: number[] = []
    const wakeUp = host.wakeUp(() => {
      days.push(network.now)
      wakeUp.at(host.now() + 86_400_000)
    })
    wakeUp.at(host.now() + 86_400_000)
    await network.advance(365 * 86_400_000)
    expect(days).toHaveLength(365)
    expect(days[0]).toBe(86_400_000)
  })

  test("a wake-up comes exactly at its deadline, wherever the machine's clock stands", async () => {
    const network = createNetwork({ seed: 3 })
    const host = network.host("a")
    await network.advance(1 / 3)
    const deadlineMs = host.now() + 0.1
    let lateMs = Number.NaN
    host.wakeUp(() => (lateMs = host.now() - deadlineMs)).at(deadlineMs)
    await network.advance(1)
    expect(lateMs).toBeGreaterThanOrEqual(0)
    expect(lateMs).toBeLessThan(1e-5)
  })

  test("a clock that jumps shows it at once, and what was due by then happens now, once", async () => {
    const network = createNetwork({ seed: 4 })
    const host = network.host("a")
    const other = network.host("b")
    const beforeMs = [host.now(), other.now()]
    const rung: number[] = []
    host.wakeUp(() => rung.push(network.now)).at(host.now() + 5_000)
    host.wakeUp(() => rung.push(network.now)).at(host.now() + 3_600_010)
    await network.advance(1)
    host.jumpClock(3_600_000)
    expect([host.now() - beforeMs[0]!, other.now() - beforeMs[1]!]).toEqual([3_600_001, 1])
    await network.advance(20)
    expect(rung).toEqual([1, 10])
    expect(() => host.jumpClock(-1)).toThrow("0 ms or more")
  })

  test("a suspended process does nothing, its clock stands still, and its deadlines are as far as they were", async () => {
    const network = createNetwork({ seed: 5 })
    const host = network.host("a")
    const startMs = host.now()
    const rung: number[] = []
    host.wakeUp(() => rung.push(network.now)).at(startMs + 100)
    await network.advance(50)
    host.suspend(1_000)
    host.suspend(500)
    await network.advance(400)
    expect(host.now() - startMs).toBe(50)
    host.jumpClock(10)
    expect(host.now() - startMs).toBe(60)
    await network.advance(1_000)
    expect(rung).toEqual([1_090])
    expect(host.now() - startMs).toBe(460)
  })

  test("until settles like its promise, and rejects with seed and time when that doesn't settle", async () => {
    const network = createNetwork({ seed: 42 })
    const host = network.host("a")
    const after = (ms: number): Promise<number> =>
      new Promise((resolve) => host.wakeUp(() => resolve(ms)).at(host.now() + ms))
    expect(await network.until(after(50))).toBe(50)
    expect(network.now).toBe(50)
    await expect(network.until(Promise.reject(new Error("its own")))).rejects.toThrow("its own")
    await expect(network.until(after(200), 100)).rejects.toThrow(
      /not settled within 100 virtual ms \(seed 42, now 150 ms/,
    )
    await expect(network.when(() => false, 10)).rejects.toThrow(/within 10 virtual ms/)
  })

  test("promises and web streams go on between instants", async () => {
    const network = createNetwork({ seed: 1 })
    const host = network.host("a")
    const { readable, writable } = new TransformStream<number, number>()
    const writer = writable.getWriter()
    let n = 0
    const wakeUp = host.wakeUp(() => {
      void writer.write(++n)
      if (n < 5) wakeUp.at(host.now() + 10)
      else void writer.close()
    })
    wakeUp.at(host.now())
    const read = async (): Promise<number[]> => {
      const numbers: number[] = []
      for await (const number of readable) numbers.push(number, network.now)
      return numbers
    }
    expect(await network.until(read())).toEqual([1, 0, 2, 10, 3, 20, 4, 30, 5, 40])
  })

  test("two calls can't let time pass at once", async () => {
    const network = createNetwork({ seed: 1 })
    const first = network.advance(1)
    await expect(network.advance(1)).rejects.toThrow("already")
    await first
  })

  test("hosts that keep each other busy without time passing are found out", async () => {
    const network = createNetwork({ seed: 1, settle: async () => {} })
    const host = network.host("a")
    const again = (): void => host.defer(again)
    again()
    await expect(network.advance(1)).rejects.toThrow("without time passing")
  })

  test("an error of a host's code surfaces once, from the call that let time pass, and stops nobody", async () => {
    const { network, a, b, hostA } = await makeWorld()
    const failure = new Error("of the application")
    let batches = 0
    b.transport.onReceive(() => {
      if (++batches === 1) throw failure
    })
    let isWoken = false
    hostA.wakeUp(() => (isWoken = true)).at(hostA.now())
    a.send(b.addressOf(4), [pattern(1)])
    await expect(network.advance(1)).rejects.toBe(failure)
    expect(isWoken).toBe(true)
    a.send(b.addressOf(4), [pattern(1)])
    await network.advance(1)
    expect(batches).toBe(2)
  })
})

describe("a host", () => {
  test("that stalls reads what waits, all of it, before its wake-ups, then does what it deferred", async () => {
    const { network, a, b, hostB } = await makeWorld()
    const order: string[] = []
    b.transport.onReceive((batch) => order.push(`${batch.count} datagrams`))
    // Due at the very end of the stall, and in the midst of it.
    for (const ms of [100, 40]) hostB.wakeUp(() => order.push("wake-up")).at(hostB.now() + ms)
    hostB.stall(100)
    hostB.defer(() => order.push(`deferred at ${network.now}`))
    a.send(
      b.addressOf(4),
      Array.from({ length: 70 }, () => pattern(10)),
    )
    await network.advance(99)
    expect(order).toEqual([])
    await network.advance(10)
    expect(order).toEqual(["64 datagrams", "6 datagrams", "wake-up", "wake-up", "deferred at 100"])
  })

  test("that becomes busy in the midst of reading leaves the rest for later", async () => {
    const { network, a, b, hostB } = await makeWorld()
    let rows = 0
    b.transport.onReceive(({ count }) => {
      if (rows === 0) hostB.stall(50)
      rows += count
    })
    a.send(
      b.addressOf(4),
      Array.from({ length: 120 }, () => pattern(1)),
    )
    await network.advance(49)
    // A batch, and the datagram being handled.
    expect(rows).toBeLessThanOrEqual(65)
    await network.advance(1)
    expect(rows).toBe(120)
  })

  test("that asks for any port gets one that is free in both families", async () => {
    const network = createNetwork({ seed: 1 })
    const host = network.host("a")
    await network.until(Station.bind(host, { port: 49_152, v6: false }))
    await network.until(Station.bind(host, { port: 49_153, v4: false }))
    const { transport } = await network.until(Station.bind(host))
    expect(transport.localAddresses.map(({ port }) => port)).toEqual([49_154, 49_154])
  })

  test("that stalls twice goes on after the longer of the two", async () => {
    const { network, a, b, hostB } = await makeWorld()
    hostB.stall(100)
    hostB.stall(50)
    a.send(b.addressOf(4), [pattern(1)])
    await network.advance(60)
    expect(b.received).toHaveLength(0)
    await network.advance(60)
    expect(b.received).toHaveLength(1)
  })

  test("that stalls too long loses what its receive buffer doesn't hold, and counts it", async () => {
    const network = createNetwork({ seed: 1 })
    const host = network.host("b")
    const a = await network.until(Station.bind(network.host("a")))
    const b = await network.until(Station.bind(host, { receiveBufferBytes: 20_000 }))
    host.stall(1_000)
    a.send(
      b.addressOf(4),
      Array.from({ length: 50 }, () => pattern(1_232)),
    )
    a.send(
      b.addressOf(4),
      Array.from({ length: 50 }, () => new Uint8Array(0)),
    )
    await network.advance(2_000)
    // 1,232 B each, and 768 B to keep each.
    expect(b.received).toHaveLength(10)
    expect(b.transport.counters.datagramsDropped).toBe(90)
    a.send(b.addressOf(4), [pattern(1)])
    await network.advance(1)
    expect(b.received).toHaveLength(11)
  })

  test("that crashes says nothing, hears nothing and does nothing more; its machine keeps its addresses", async () => {
    const { network, a, b, hostB } = await makeWorld()
    const calls: string[] = []
    hostB.wakeUp(() => calls.push("wake-up")).at(hostB.now() + 5)
    hostB.defer(() => calls.push("deferred"))
    a.send(b.addressOf(4), [pattern(1)])
    hostB.crash()
    hostB.wakeUp(() => calls.push("new wake-up")).at(hostB.now())
    hostB.defer(() => calls.push("deferred later"))
    await network.advance(100)
    expect(b.send(a.addressOf(4), [pattern(1)])).toBe(1)
    await network.advance(100)
    expect([calls, a.received, b.received]).toEqual([[], [], []])
    await expect(hostB.bind({})).rejects.toThrow(/crashed/)

    const restarted = await network.until(Station.bind(network.host("b"), { port: 1 }))
    expect(restarted.transport.localAddresses).toEqual(b.transport.localAddresses)
    a.send(b.addressOf(4), [pattern(1)])
    await network.advance(1)
    expect(restarted.received).toHaveLength(1)
  })

  test("draws the same entropy in every run of a seed, and other than other hosts and its own former process", () => {
    const draw = (seed: number, ...names: string[]): string[] => {
      const network = createNetwork({ seed })
      return names.map((name) => {
        const bytes = new Uint8Array(16)
        network.host(name).entropy(bytes)
        return bytes.join()
      })
    }
    expect(draw(1, "a", "b", "a")).toEqual(draw(1, "a", "b", "a"))
    expect(new Set([...draw(1, "a", "b", "a"), ...draw(2, "a", "b", "a")]).size).toBe(6)
    // Other machines make no difference.
    expect(draw(1, "b", "a")[1]).toBe(draw(1, "a")[0])
  })

  test("of one family binds that, with a note, and can't be bound without it", async () => {
    const network = createNetwork({ seed: 1 })
    const v6only = network.host("c", { v4: false })
    const { transport } = await network.until(Station.bind(v6only))
    expect(transport.capabilities.families).toEqual([6])
    expect(transport.capabilities.notes).toEqual(['there is no v4 socket: "c" has no v4 address'])
    await expect(v6only.bind({ v6: false })).rejects.toMatchObject({ code: "no-family" })
    expect((await v6only.resolve("c")).map(({ family }) => family)).toEqual([6])
  })

  test("whose system refuses to send loses and counts, or takes nothing until it is writable", async () => {
    const { network, a, b, hostA } = await makeWorld()
    let writable = 0
    a.transport.onWritable(() => writable++)
    hostA.failSends("ENOBUFS")
    expect(a.send(b.addressOf(4), [pattern(1), pattern(2)])).toBe(2)
    expect(a.transport.counters.errors.ENOBUFS).toBe(2)
    hostA.failSends("full")
    expect(a.send(b.addressOf(4), [pattern(1)])).toBe(0)
    await network.advance(10)
    expect(writable).toBe(0)
    hostA.failSends(undefined)
    await network.advance(0)
    expect(writable).toBe(1)
    expect(a.send(b.addressOf(4), [pattern(1)])).toBe(1)
  })
})

describe("what tests see and do", () => {
  test("a filter sees every datagram with its number, and may lose or forge it", async () => {
    const { network, a, b } = await makeWorld()
    const seen: DatagramInTransit[] = []
    network.filter((datagram) => {
      seen.push(datagram)
      if (datagram.index === 2) datagram.bytes[0] = 99
      return datagram.index !== 1
    })
    a.send(b.addressOf(4), [pattern(3, 0), pattern(3, 1), pattern(3, 2)])
    await network.advance(1)
    expect(seen.map(({ from, to, index }) => `${from} ${to} ${index}`)).toEqual(["a b 0", "a b 1", "a b 2"])
    expect(b.received.map(({ bytes }) => bytes[0])).toEqual([0, 99])
    expect(network.linkOf("a", "b").counts).toMatchObject({ filtered: 1, delivered: 2 })
    // The bytes that the filter saw stay as they were.
    const kept = seen[0]!.bytes.slice()
    a.send(b.addressOf(4), [pattern(3, 77)])
    await network.advance(1)
    expect(seen[0]!.bytes).toEqual(kept)
  })

  test("a datagram can be injected from any address, now or later", async () => {
    const { network, a, b } = await makeWorld()
    network.inject({ family: 4, host: "203.0.113.7", port: 9 }, b.addressOf(4), pattern(5), 20)
    network.inject(a.addressOf(6), b.addressOf(6), pattern(6))
    await network.advance(10)
    expect(b.received.map(({ from, bytes }) => [from, bytes.length])).toEqual([[a.addressOf(6), 6]])
    await network.advance(10)
    expect(b.received[1]!.from.host).toBe("203.0.113.7")
  })

  test("what is sent to nobody is lost without an error", async () => {
    const { network, a } = await makeWorld()
    expect(a.send({ family: 4, host: "10.9.9.9", port: 5 }, [pattern(1)])).toBe(1)
    expect(a.send({ ...a.addressOf(4), port: 5 }, [pattern(1)])).toBe(1)
    await network.advance(100)
    expect(a.errors).toEqual([])
  })

  test("a record of the last events is kept when it is asked for", async () => {
    const network = createNetwork({ seed: 1, recordLines: 3 })
    const [a, b] = [
      await network.until(Station.bind(network.host("a"))),
      await network.until(Station.bind(network.host("b"))),
    ]
    for (let i = 0; i < 20; i++) {
      a.send(b.addressOf(4), [pattern(i)])
      await network.advance(1)
    }
    expect(network.record).toEqual([
      "18 ms 10.0.0.1 > 10.0.0.2 arrived 18 B",
      "19 ms a > b delivered 19 B",
      "19 ms 10.0.0.1 > 10.0.0.2 arrived 19 B",
    ])
    expect(createNetwork({ seed: 1 }).record).toEqual([])
  })

  test("the trace hash covers time, direction, fate and every byte", async () => {
    const hash = async (change: {
      ms?: number
      byte?: number
      to?: "a" | "b"
      loss?: number
      isCut?: boolean
    }): Promise<string> => {
      const { network, a, b } = await makeWorld({ lossRate: change.loss ?? 0 })
      if (change.isCut === true) network.partition("a", "b")
      await network.advance(change.ms ?? 1)
      const bytes = pattern(50)
      bytes[change.byte ?? 0]! ^= 1
      a.send((change.to === "a" ? a : b).addressOf(4), [bytes])
      await network.advance(1)
      return network.traceHash
    }
    const hashes = [
      await hash({}),
      await hash({ ms: 2 }),
      await hash({ byte: 1 }),
      await hash({ byte: 48 }),
      await hash({ byte: 49 }),
      await hash({ to: "a" }),
      await hash({ loss: 1 }),
      await hash({ isCut: true }),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
    expect(await hash({})).toBe(hashes[0])
    expect(hashes[0]).toMatch(/^[0-9a-f]{16}$/)
  })

  test("options of a link may change at any time, for one direction or for all", async () => {
    const { network, a, b } = await makeWorld()
    network.link("a", "b", { lossRate: 1 })
    a.send(b.addressOf(4), [pattern(1)])
    b.send(a.addressOf(4), [pattern(1)])
    await network.advance(1)
    expect([a.received.length, b.received.length]).toEqual([1, 0])
    network.links(PRESETS.lan)
    a.send(b.addressOf(4), [pattern(1)])
    await network.advance(10)
    expect(b.received).toHaveLength(1)
  })
})
