/** What peers and the application's own functions may do wrong, and what stays bounded, certain and told all the same. */
import { json, utf8 } from "@x/endpoint"
import { defineRequest, RequestError } from "@x/rpc"
import { describe, expect, it, test } from "vitest"
import { MESSAGE } from "../src/format/labels.ts"
import { message, Raw } from "./raw.ts"
import { ECHO, endOf, left, makePair, makeWorld, NOTHING, partsOf, PORT, TAIL } from "./world.ts"

const never = (): Promise<string> => new Promise(() => {})

describe("an outcome", () => {
  test("F71 speaks of all tries: what may have been done before is never `not-done`", async () => {
    const { network, bind } = makeWorld(41)
    const [a, b] = [await bind("a"), await bind("b")]
    let began = 0
    b.rpc.answer(ECHO, () => {
      began++
      return never()
    })
    const node = a.endpoint.connect(`b:${PORT}`, { retry: { minMs: 20, maxMs: 100 } })
    await network.until(node.joined())
    const end = endOf(a.rpc.request(node, ECHO, "?", { timeoutMs: 5_000, idempotent: true }))
    await network.advance(100)
    // Nobody is there to ask again.
    await network.until(b.endpoint.close())
    expect([await network.until(end), began]).toEqual(["deadline, maybe-done", 1])
  })
})

describe("a request to a connection that is down", () => {
  it("fails at once when requests are closed", async () => {
    const { network, bind } = makeWorld(42)
    const a = await bind("a")
    const node = a.endpoint.connect(`b:${PORT}`)
    a.rpc.close()
    expect(await endOf(a.rpc.request(node, ECHO, "?", { timeoutMs: Infinity }))).toBe("closed, not-done")
    expect(await partsOf(a.rpc.request(node, TAIL, "?"))).toEqual(["closed, not-done"])
    await network.until(node.close(0))
  })

  it("is forgotten when its reader leaves", async () => {
    const { network, bind } = makeWorld(43)
    const a = await bind("a")
    const node = a.endpoint.connect(`b:${PORT}`)
    const parts = [0, 1, 2].map(() => a.rpc.request(node, TAIL, "?", { timeoutMs: 1_000 }))
    for (const it of parts) await it.return!()
    expect(left(a)).toEqual([NOTHING])
    expect(a.rpc.stats().deadlines).toBe(0)
    await network.until(node.close(0))
  })
})

describe("an asker", () => {
  test("F72 that cancels and comes on another stream has no more places than one that doesn't", async () => {
    const { network, b, toB } = await makePair(44)
    b.rpc.answer(ECHO, never, { concurrencyMaxPerPeer: 2 })
    for (const generation of [0, 1, 2, 3]) {
      const raw = new Raw(toB)
      for (const slot of [0, 1]) raw.send("rpc/1/ask/17", message(0, slot, generation, "?"))
      await network.advance(50)
      for (const slot of [0, 1]) raw.send("rpc/1/cancel", message(1, slot, generation))
      await network.advance(50)
      void raw.stream("rpc/1/ask/17").end()
      void raw.stream("rpc/1/cancel").end()
      await network.advance(50)
    }
    expect(b.rpc.stats().running).toBe(2)
  })

  test("F72 that closes streams has no more requests wait than one that doesn't", async () => {
    const { network, b, toB } = await makePair(45)
    b.rpc.answer(ECHO, never, { concurrencyMax: 1 })
    for (let slot = 0; slot < 20; slot++) {
      const raw = new Raw(toB)
      raw.send("rpc/1/ask/17", message(0, slot, 0, "?"))
      await network.advance(30)
      raw.stream("rpc/1/ask/17").reset()
      await network.advance(30)
    }
    expect(b.rpc.stats()).toMatchObject({ running: 1, waiting: 2 })
    await network.until(toB.leave())
    expect(b.rpc.stats()).toMatchObject({ waiting: 0, peers: 0 })
  })
})

describe("once requests are closed", () => {
  test("what peers still send for them isn't given to the application", async () => {
    const { network, a, b, toB } = await makePair(48)
    let answer = (_text: string): void => {}
    b.rpc.answer(ECHO, () => new Promise<string>((resolve) => void (answer = resolve)))
    const given: number[] = []
    for (const { endpoint } of [a, b]) endpoint.handle(MESSAGE, ({ type }) => void given.push(type))
    const end = endOf(a.rpc.request(toB, ECHO, "?", { timeoutMs: Infinity }))
    await network.advance(50)
    a.rpc.close()
    expect(await end).toBe("closed, maybe-done")
    // The stream for answers begins with this one.
    answer("x".repeat(10_000))
    await network.advance(100)
    const stream = a.endpoint.peers[0]!.open({ label: "rpc/1/ask/17", delivery: "reliable-unordered" })
    b.rpc.close()
    stream.trySend(MESSAGE, message(0, 0, 0, "?"))
    await network.advance(100)
    expect(given).toEqual([])
  })
})

describe("a failure", () => {
  test("F73 is told to a peer that takes small messages, its text cut", async () => {
    const { network, bind } = makeWorld(46)
    const [a, b] = [await bind("a", { messageBytesMax: 64 }), await bind("b")]
    const toB = await network.until(a.endpoint.join(`b:${PORT}`))
    const refuse = (): never => {
      throw new RequestError("no-such-seat", "é".repeat(500), "not-done")
    }
    b.rpc.answer(ECHO, refuse)
    b.rpc.answer(TAIL, refuse)
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "?")))).toBe("no-such-seat, not-done")
    expect(await network.until(partsOf(a.rpc.request(toB, TAIL, "?")))).toEqual(["no-such-seat, not-done"])
  })

  test.each([0, 1, 2])(
    "F73 comes behind parts that left no room for it, of which %i may wait",
    async (parkedMessagesMax) => {
      const { network, a, b, toB } = await makePair(47, undefined, { windowPackets: 8, parkedMessagesMax })
      b.rpc.answer(TAIL, async function* (count) {
        for (let i = 0; i < Number(count); i++) yield "x".repeat(100_000)
        throw new RequestError("half-way", "")
      })
      // One of these ends where the window, or the parking lot, is full.
      for (const count of [1, 2, 3, 14]) {
        const parts = a.rpc.request(toB, TAIL, String(count))
        await network.advance(300)
        const all = await network.until(partsOf(parts))
        expect([all.length, all.at(-1)]).toEqual([count + 1, "half-way, maybe-done"])
      }
    },
  )
})

describe("the application's functions", () => {
  test("F74 return and throw what they like: each request is answered, and no place is lost", async () => {
    const { network, a, b, toB } = await makePair(48)
    const errors: string[] = []
    b.endpoint.on("error", ({ code }) => errors.push(code))
    const oddity = defineRequest(5, json<number>(), json<unknown>())
    const code = Symbol("code") as unknown as string
    const odd: readonly (() => unknown)[] = [
      // Whoever looks whether it is a promise has thrown.
      () =>
        new Proxy(
          {},
          {
            get: () => {
              throw new Error("?")
            },
          },
        ),
      () => {
        throw new RequestError(code, "")
      },
      () => Promise.reject(new RequestError(code, "")),
      () => {
        throw Object.create(RequestError.prototype)
      },
    ]
    b.rpc.answer(oddity, (which) => (which < odd.length ? odd[which]!() : "well"), { concurrencyMax: 1 })
    const ends = odd.map((_, i) => endOf(a.rpc.request(toB, oddity, i)))
    expect(await network.until(Promise.all(ends))).toEqual(odd.map(() => "failed, maybe-done"))
    expect(await network.until(a.rpc.request(toB, oddity, odd.length))).toBe("well")
    expect(errors).toEqual(odd.map(() => "handler-failed"))
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  test("F74 encode to what is no message: told at once where it is asked, and in the answer", async () => {
    const { network, a, b, toB } = await makePair(49)
    b.endpoint.on("error", () => {})
    const decode = (): number => 1
    const codecs = [
      ...[-1, 1.5, Number.NaN, Infinity].map((size) => ({ size: () => size, write: () => {}, decode })),
      ...["text", undefined].map((value) => ({ encode: () => value as unknown as Uint8Array, decode })),
    ]
    for (const [i, codec] of codecs.entries()) {
      const asks = defineRequest(2 * i, codec, utf8)
      expect(() => a.rpc.request(toB, asks, 1)).toThrow(RequestError)
      const answers = defineRequest(2 * i + 1, utf8, codec)
      b.rpc.answer(answers, () => 1)
      expect(await network.until(endOf(a.rpc.request(toB, answers, "?")))).toBe("unencodable, maybe-done")
    }
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })
})
