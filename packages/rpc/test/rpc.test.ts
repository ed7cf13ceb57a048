/** What a request is answered by, and how it ends. */
import { json, type Peer } from "@x/endpoint"
import { defineRequest, Rpc, RequestError, stream } from "@x/rpc"
import { describe, expect, it } from "vitest"
import { MESSAGE } from "../src/format/labels.ts"
import { ECHO, endOf, left, makePair, makeWorld, NOTHING, partsOf, PORT, TAIL } from "./world.ts"

describe("a request", () => {
  it("is answered by the peer's handler, at once or by a promise", async () => {
    const { network, a, b, toB } = await makePair(1)
    b.rpc.answer(ECHO, (text, { peer }) => `${text}, ${peer.unique === a.endpoint.unique ? "a" : "?"}`)
    const SUM = defineRequest(3, json<number[]>(), json<number>())
    b.rpc.answer(SUM, async (numbers) => {
      await Promise.resolve()
      return numbers.reduce((sum, it) => sum + it, 0)
    })
    expect(await network.until(a.rpc.request(toB, ECHO, "hello"))).toBe("hello, a")
    expect(await network.until(a.rpc.request(toB, SUM, [1, 2, 3]))).toBe(6)
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("is refused at once if nothing answers its number", async () => {
    const { network, a, b, toB } = await makePair(2)
    expect(left(b)).toEqual([NOTHING])
    const startMs = network.now
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "?")))).toBe("no-handler, not-done")
    expect(await network.until(partsOf(a.rpc.request(toB, TAIL, "?")))).toEqual(["no-handler, not-done"])
    expect(network.now - startMs).toBeLessThan(100)
  })

  it("is answered by parts, in order", async () => {
    const { network, a, b, toB } = await makePair(3)
    b.rpc.answer(TAIL, async function* (text) {
      for (let i = 0; i < 1_000; i++) yield `${text} ${i}`
    })
    const parts = await network.until(partsOf(a.rpc.request(toB, TAIL, "line")))
    expect(parts).toEqual(Array.from({ length: 1_000 }, (_, i) => `line ${i}`))
    await network.advance(100)
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("fails with the code and the text that a handler chooses, and with failed and nothing else otherwise", async () => {
    const { network, a, b, toB } = await makePair(4)
    const errors: unknown[] = []
    b.endpoint.on("error", ({ cause }) => errors.push(cause))
    const secret = new Error("the password is 1234")
    b.rpc.answer(ECHO, (text) => {
      throw text === "chosen" ? new RequestError("sold-out", "none is left", "not-done") : secret
    })
    const failure = (text: string): Promise<RequestError> =>
      network.until(
        a.rpc.request(toB, ECHO, text).then(
          () => new RequestError("?", ""),
          (error: RequestError) => error,
        ),
      )
    const chosen = await failure("chosen")
    expect([chosen.code, chosen.text, chosen.outcome]).toEqual(["sold-out", "none is left", "not-done"])
    expect(errors).toEqual([])
    const other = await failure("other")
    expect([other.code, other.outcome]).toEqual(["failed", "maybe-done"])
    expect(JSON.stringify(other) + other.message + other.stack).not.toContain("1234")
    expect(errors).toEqual([secret])
  })

  it("has its deadline at both ends, as time that remains", async () => {
    const { network, a, b, toB } = await makePair(5)
    let reason: unknown
    let remaining = 0
    b.rpc.answer(ECHO, (_, { signal, remainingMs }) => {
      remaining = remainingMs
      signal.addEventListener("abort", () => (reason = signal.reason))
      return new Promise(() => {})
    })
    const startMs = network.now
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "?", { timeoutMs: 500 })))).toBe("deadline, maybe-done")
    expect(network.now - startMs).toBeCloseTo(500, 0)
    expect(remaining).toBeCloseTo(500, 0)
    await network.advance(20)
    expect((reason as RequestError).code).toMatch(/deadline|aborted/)
    expect(a.rpc.stats().outstanding).toBe(0)
  })

  it("is refused for a peer of another endpoint, which would get the answer", async () => {
    const { a, b, toB } = await makePair(9)
    b.rpc.answer(ECHO, (text) => text)
    expect(() => b.rpc.request(toB, ECHO, "?")).toThrow("must be a peer of this endpoint")
    expect([a.rpc.stats().outstanding, b.rpc.stats().outstanding]).toEqual([0, 0])
  })

  it("rejects at once when its signal aborts, and the handler's signal is told", async () => {
    const { network, a, b, toB } = await makePair(6)
    let told = false
    b.rpc.answer(ECHO, (_, { signal }) => {
      signal.addEventListener("abort", () => (told = true))
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)))
    })
    const controller = new AbortController()
    const request = a.rpc.request(toB, ECHO, "?", { signal: controller.signal })
    await network.advance(100)
    controller.abort(new Error("enough"))
    expect(await endOf(request)).toBe("aborted, maybe-done")
    await network.advance(100)
    expect(told).toBe(true)
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
    expect(await endOf(a.rpc.request(toB, ECHO, "?", { signal: controller.signal }))).toBe("aborted, not-done")
  })

  it("tells no signal of a handler that has answered", async () => {
    const { network, a, b, toB } = await makePair(7)
    let told = false
    b.rpc.answer(ECHO, (text, { signal }) => {
      signal.addEventListener("abort", () => (told = true))
      return text
    })
    await network.until(a.rpc.request(toB, ECHO, "?", { timeoutMs: 500 }))
    await network.advance(1_000)
    await network.until(toB.leave())
    await network.advance(1_000)
    expect(told).toBe(false)
  })

  it("is refused in its own place: a question that is none, an option that is none", async () => {
    const { a, toB } = await makePair(8)
    const codeOf = (run: () => unknown): unknown => {
      try {
        return run()
      } catch (error) {
        return (error as RequestError).code
      }
    }
    expect(codeOf(() => a.rpc.request(toB, ECHO, 7 as unknown as string))).toBe("unencodable")
    expect(codeOf(() => a.rpc.request(toB, ECHO, "", { timeout: 5 } as object))).toBe("invalid-option")
    expect(codeOf(() => a.rpc.request(toB, ECHO, "", { timeoutMs: -1 }))).toBe("invalid-option")
    expect(codeOf(() => a.rpc.request(toB, 17 as unknown as typeof ECHO, ""))).toBe("invalid-option")
    expect(codeOf(() => a.rpc.request(undefined as unknown as typeof toB, ECHO, ""))).toBe("invalid-option")
    expect(codeOf(() => new Rpc(a.endpoint))).toBe("invalid-option")
    expect(codeOf(() => defineRequest(70_000, json(), json()))).toBe("invalid-option")
    expect(codeOf(() => defineRequest(1, json(), {} as never))).toBe("invalid-option")
    expect(codeOf(() => stream({} as never))).toBe("invalid-option")
    a.rpc.answer(ECHO, (text) => text)
    expect(codeOf(() => a.rpc.answer(ECHO, (text) => text))).toBe("invalid-option")
    expect(a.rpc.stats().outstanding).toBe(0)
  })

  it("ends when its peer leaves: what was sent may be done, what waits for room isn't", async () => {
    const { network, a, b, toB } = await makePair(9, { delayMs: 5 }, { windowPackets: 8 })
    const seen = new Set<string>()
    b.rpc.answer(ECHO, (text) => {
      seen.add(text.slice(0, 4))
      return new Promise<string>(() => {})
    })
    const large = "x".repeat(1_000)
    const ends = Array.from({ length: 40 }, (_, i) =>
      endOf(a.rpc.request(toB, ECHO, `${String(i).padStart(4, "0")}${large}`)),
    )
    b.host.crash()
    await network.advance(100)
    void toB.leave()
    const all = await network.until(Promise.all(ends))
    expect(new Set(all)).toEqual(new Set(["left, maybe-done", "left, not-done"]))
    expect(all.filter((end) => end === "left, maybe-done").length).toBeLessThanOrEqual(8)
    expect(seen.size).toBe(0)
    expect(left(a)).toEqual([NOTHING])
  })
})

describe("a connection", () => {
  it("is asked once it is up, and again after a restart only what is idempotent", async () => {
    const { network, bind } = makeWorld(10)
    const a = await bind("a")
    const node = a.endpoint.connect(`b:${PORT}`, { retry: { minMs: 100, maxMs: 200 } })
    const early = a.rpc.request(node, ECHO, "early")
    await network.advance(300)
    expect(a.rpc.stats().waitingForPeer).toBe(1)
    const b = await bind("b")
    b.rpc.answer(ECHO, (text) => (text === "early" ? "first" : new Promise<string>(() => {})))
    expect(await network.until(early)).toBe("first")
    const once = endOf(a.rpc.request(node, ECHO, "once"))
    const again = endOf(a.rpc.request(node, ECHO, "again", { idempotent: true }))
    await network.advance(100)
    b.host.crash()
    const second = await bind("b")
    second.rpc.answer(ECHO, (text) => `second ${text}`)
    expect(await network.until(once)).toBe("left, maybe-done")
    expect(await network.until(again)).toBe("second again")
    expect(left(a, second)).toEqual([NOTHING, NOTHING])
    await network.until(node.close())
  })

  it("that is closed, or down for longer than a request waits, is no peer to ask", async () => {
    const { network, bind } = makeWorld(11)
    const a = await bind("a")
    const node = a.endpoint.connect(`nobody:${PORT}`)
    const controller = new AbortController()
    const ends = [
      endOf(a.rpc.request(node, ECHO, "?", { timeoutMs: 200 })),
      endOf(a.rpc.request(node, ECHO, "?", { signal: controller.signal })),
      endOf(a.rpc.request(node, ECHO, "?")),
      partsOf(a.rpc.request(node, TAIL, "?")),
    ]
    await network.advance(300)
    controller.abort()
    await network.until(node.close(0))
    expect(await network.until(Promise.all(ends))).toEqual([
      "deadline, not-done",
      "aborted, not-done",
      "closed, not-done",
      ["closed, not-done"],
    ])
    expect(left(a)).toEqual([NOTHING])
    expect(a.rpc.stats().deadlines).toBe(0)
  })

  it("says goodbye although something was asked over it, once nothing was asked for a while", async () => {
    const { network, bind } = makeWorld(12)
    const a = await bind("a")
    const b = await bind("b")
    b.rpc.answer(ECHO, (text) => text)
    const node = a.endpoint.connect(`b:${PORT}`)
    await network.until(a.rpc.request(node, ECHO, "?"))
    const peer: Peer = node.peer!
    await network.until(node.close())
    await network.advance(30_000)
    expect(peer.state).toBe("left")
    expect(b.endpoint.peers).toEqual([])
  })
})

describe("a peer without requests", () => {
  it("answers nothing, gives none of it to its application's handlers, and tells that nobody handles it", async () => {
    const { network, a, b, toB } = await makePair(49)
    const given: number[] = []
    for (let type = 0; type < 65_280; type++) b.endpoint.handle(type, (message) => void given.push(message.type))
    const unhandled: [number, string][] = []
    b.endpoint.on("unhandled", ({ type, stream }) => void unhandled.push([type, stream.label]))
    const abort = new AbortController()
    const ends = [
      endOf(a.rpc.request(toB, ECHO, "?", { timeoutMs: 60_000 })),
      partsOf(a.rpc.request(toB, TAIL, "?", { signal: abort.signal })),
    ]
    await network.advance(100)
    abort.abort()
    await network.advance(60_000)
    expect(await Promise.all(ends)).toEqual(["deadline, maybe-done", ["aborted, maybe-done"]])
    expect(given).toEqual([])
    expect(unhandled).toEqual([
      [MESSAGE, "rpc/1/ask/17"],
      [MESSAGE, "rpc/1/ask/18"],
      [MESSAGE, "rpc/1/cancel"],
    ])
  })
})

describe("an idempotent request", () => {
  it("is asked for again where its stream was closed, up to three times more", async () => {
    const { network, a, b, toB } = await makePair(20)
    let asked = 0
    b.endpoint.on("stream", (stream) => {
      stream.handle(MESSAGE, () => {
        asked++
        stream.stop()
      })
    })
    const end = endOf(a.rpc.request(toB, ECHO, "?", { idempotent: true }))
    expect(await network.until(end)).toBe("stream-closed, maybe-done")
    expect(asked).toBe(4)
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "?")))).toBe("stream-closed, maybe-done")
    expect(asked).toBe(5)
    expect(left(a)).toEqual([NOTHING])
  })

  it("waits no longer in all than it says", async () => {
    const { network, bind } = makeWorld(21)
    const a = await bind("a")
    const node = a.endpoint.connect(`b:${PORT}`, { retry: { minMs: 20, maxMs: 50 } })
    const startMs = network.now
    const end = endOf(a.rpc.request(node, ECHO, "?", { idempotent: true, timeoutMs: 1_000 }))
    for (let i = 0; i < 2; i++) {
      const b = await bind("b")
      b.rpc.answer(ECHO, () => new Promise<string>(() => {}))
      await network.advance(300)
      b.host.crash()
    }
    expect(await network.until(end)).toMatch(/^deadline/)
    expect(network.now - startMs).toBeCloseTo(1_000, 0)
    await network.until(node.close(0))
  })
})

describe("an Rpc", () => {
  it("that is closed ends what it asked and what it answers; its endpoint takes no other", async () => {
    const { network, a, b, toB } = await makePair(13)
    let reason: unknown
    b.rpc.answer(ECHO, (_, { signal }) => {
      signal.addEventListener("abort", () => (reason = signal.reason))
      return new Promise(() => {})
    })
    const end = endOf(a.rpc.request(toB, ECHO, "?"))
    await network.advance(50)
    b.rpc.close()
    expect(await network.until(end)).toBe("stream-closed, maybe-done")
    expect(reason).toBeInstanceOf(RequestError)
    // Answers to the next one's requests would come on the streams of this one.
    expect(() => new Rpc(b.endpoint)).toThrow(RequestError)
    const mine = endOf(a.rpc.request(toB, TAIL, "?").next())
    a.rpc.close()
    expect(await mine).toBe("closed, maybe-done")
    expect(await endOf(a.rpc.request(toB, ECHO, "?"))).toBe("closed, not-done")
    expect(left(a)).toEqual([NOTHING])
  })

  it("ends what it asked when its endpoint is closed", async () => {
    const { network, a, b, toB } = await makePair(14)
    b.rpc.answer(ECHO, () => new Promise<string>(() => {}))
    const end = endOf(a.rpc.request(toB, ECHO, "?", { timeoutMs: Infinity }))
    await network.advance(50)
    await network.until(a.endpoint.close())
    expect(await network.until(end)).toBe("left, maybe-done")
    expect(await endOf(a.rpc.request(toB, ECHO, "?"))).toBe("left, not-done")
    expect(left(a)).toEqual([NOTHING])
  })
})
