/** Faults of requests, each by its name: what either side, or the network, may do wrong. */
import { type EndpointError, json } from "@x/endpoint"
import { type Call, defineRequest, RequestError } from "@x/rpc"
import { describe, expect, it } from "vitest"
import { MESSAGE } from "../src/format/labels.ts"
import { message, part, Raw } from "./raw.ts"
import { ECHO, endOf, left, makePair, makeWorld, NOTHING, partsOf, PORT, sleep, TAIL } from "./world.ts"

const ANSWER = "rpc/1/answer"

/** A member that asks, and an answerer without the layer that answers by hand. */
async function makeRawAnswerer(seed: number) {
  const { network, bind } = makeWorld(seed)
  const a = await bind("a")
  const b = await bind("b")
  const toB = await network.until(a.endpoint.join(`b:${PORT}`))
  await network.when(() => b.endpoint.peers.length === 1)
  const asked: string[] = []
  b.endpoint.on("stream", (stream) => {
    stream.handle(MESSAGE, ({ bytes }) => asked.push(Buffer.from(bytes).toString("hex")))
  })
  return { network, a, b, toB, asked, raw: new Raw(b.endpoint.peers[0]!) }
}

/** A member that answers, and an asker without the layer. */
async function makeRawAsker(seed: number) {
  const { network, a, b, toB } = await makePair(seed)
  const answers: string[] = []
  a.endpoint.on("stream", (stream) => {
    stream.handle(MESSAGE, ({ bytes }) => answers.push(Buffer.from(bytes).toString("latin1")))
  })
  return { network, a, b, answers, raw: new Raw(toB) }
}

describe("answers", () => {
  it("an answer after its deadline is dropped, and met by no later request", async () => {
    const { network, a, b, toB } = await makePair(1)
    const settle: ((text: string) => void)[] = []
    b.rpc.answer(ECHO, () => new Promise<string>((resolve) => settle.push(resolve)))
    const late = endOf(a.rpc.request(toB, ECHO, "late", { timeoutMs: 100 }))
    await network.advance(50)
    network.partition("a", "b")
    expect(await network.until(late)).toBe("deadline, maybe-done")
    settle[0]!("too late")
    await network.advance(50)
    network.heal()
    const next = a.rpc.request(toB, ECHO, "next")
    await network.when(() => settle.length === 2)
    settle[1]!("in time")
    expect(await network.until(next)).toBe("in time")
    const dropped = [a.rpc.stats().dropped.asking["unknown-answer"], b.rpc.stats().dropped.answering["late-answer"]]
    expect(dropped[0]! + dropped[1]!).toBe(1)
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("two answers: the first one counts", async () => {
    const { network, a, toB, raw } = await makeRawAnswerer(2)
    const answer = a.rpc.request(toB, ECHO, "?")
    await network.advance(50)
    raw.send(ANSWER, message(2, 0, 0, "one"))
    raw.send(ANSWER, message(2, 0, 0, "two"))
    expect(await network.until(answer)).toBe("one")
    const next = a.rpc.request(toB, ECHO, "?", { timeoutMs: 200 })
    await network.advance(100)
    raw.send(ANSWER, message(2, 0, 0, "three"))
    expect(await network.until(endOf(next))).toBe("deadline, maybe-done")
    expect(a.rpc.stats().dropped.asking["unknown-answer"]).toBe(2)
  })

  it("an answer to what another peer was asked is dropped", async () => {
    const { network, bind } = makeWorld(3)
    const [a, b, c] = [await bind("a"), await bind("b"), await bind("c")]
    const toB = await network.until(a.endpoint.join(`b:${PORT}`))
    const toC = await network.until(a.endpoint.join(`c:${PORT}`))
    let settle!: (text: string) => void
    b.rpc.answer(ECHO, () => new Promise<string>((resolve) => (settle = resolve)))
    const answer = a.rpc.request(toB, ECHO, "?")
    await network.advance(50)
    const raw = new Raw(c.endpoint.peers[0]!)
    // It was asked nothing: its stream is stopped.
    raw.send(ANSWER, message(2, 0, 0, "from c"))
    await network.advance(50)
    expect(raw.stream(ANSWER).state).toBe("closed")
    // It was asked something else.
    const own = a.rpc.request(toC, TAIL, "?").next()
    await network.advance(50)
    new Raw(c.endpoint.peers[0]!).send(ANSWER, message(2, 0, 0, "from c"))
    await network.advance(50)
    settle("from b")
    expect(await network.until(answer)).toBe("from b")
    expect(a.rpc.stats().dropped.asking).toMatchObject({ "unasked-form": 1 })
    void toC.leave()
    expect(await network.until(endOf(own))).toBe("left, maybe-done")
  })

  it("a cancelled request whose answer crosses the cancel fails, and nothing of it is kept", async () => {
    const { network, a, b, toB } = await makePair(4)
    b.rpc.answer(ECHO, (text) => text)
    const controller = new AbortController()
    const end = endOf(a.rpc.request(toB, ECHO, "?", { signal: controller.signal }))
    await network.advance(7) // it was answered by now, and the answer is on its way
    expect(b.rpc.stats().running).toBe(0)
    controller.abort()
    expect(await end).toBe("aborted, maybe-done")
    await network.advance(50)
    expect(a.rpc.stats().dropped.asking["unknown-answer"]).toBe(1)
    // The cancel that found nothing doesn't meet the next use of its slot.
    expect(await network.until(a.rpc.request(toB, ECHO, "next"))).toBe("next")
  })

  it("in the wrong form, or in none, fail no other request", async () => {
    const { network, a, toB, raw } = await makeRawAnswerer(5)
    const single = endOf(a.rpc.request(toB, ECHO, "?"))
    const parts = partsOf(a.rpc.request(toB, TAIL, "?"))
    await network.advance(50)
    raw.send(ANSWER, message(2, 1, 0, "a single one"))
    raw.send("rpc/1/parts/0/0", part(4, "a part"))
    raw.send("rpc/1/parts/9/0", part(4, "of nothing"))
    raw.send("rpc/1/parts/1/0", part(4, "right"))
    await network.advance(50)
    const second = raw.stream("rpc/1/parts/1/0 ", "reliable")
    expect(raw.stream("rpc/1/parts/0/0").state).toBe("closed")
    expect(raw.stream("rpc/1/parts/9/0").state).toBe("closed")
    raw.send(ANSWER, message(0x82, 0, 0))
    raw.send(ANSWER, message(0x12, 0, 0, 5, 0, 1))
    raw.send(ANSWER, message(1, 0, 0))
    raw.send(ANSWER, Uint8Array.of(2, 0, 0))
    await network.advance(50)
    expect(second.state).toBe("closed")
    expect(a.rpc.stats().dropped).toMatchObject({
      asking: { malformed: 4, "unasked-form": 2, "unknown-answer": 1 },
      answering: { malformed: 1 },
    })
    raw.send(ANSWER, message(0x12, 0, 0, 5, 0, 7, 0, 1, 0, 99, "right"))
    raw.send("rpc/1/parts/1/0", part(5))
    expect(await network.until(single)).toBe("right")
    expect(await network.until(parts)).toEqual(["right"])
  })

  it("with an unknown code is that code; one that can't be read is malformed", async () => {
    const { network, a, toB, raw } = await makeRawAnswerer(6)
    const ends = [1, 2, 3, 4, 5].map(() => endOf(a.rpc.request(toB, ECHO, "?")))
    await network.advance(50)
    raw.send(ANSWER, message(3, 0, 0, 0, 8, "tomorrowbut not today"))
    raw.send(ANSWER, message(3, 1, 0, 1, 200, "short"))
    raw.send(ANSWER, message(3, 2, 0, 7, 2, "ok"))
    raw.send(ANSWER, message(3, 3, 0, 1, 2, 0xff, 0xfe))
    raw.send(ANSWER, message(3, 4, 0))
    const malformed = "malformed, maybe-done"
    expect(await network.until(Promise.all(ends))).toEqual([
      "tomorrow, not-done",
      malformed,
      malformed,
      malformed,
      malformed,
    ])
  })

  it("that its codec refuses fails its request alone", async () => {
    const { network, a, toB, raw } = await makeRawAnswerer(7)
    const JSON_ECHO = defineRequest(3, json<unknown>(), json<unknown>())
    const ends = [endOf(a.rpc.request(toB, JSON_ECHO, 1)), endOf(a.rpc.request(toB, JSON_ECHO, 2))]
    await network.advance(50)
    raw.send(ANSWER, message(2, 0, 0, "{"))
    raw.send(ANSWER, message(2, 1, 0, "3"))
    expect(await network.until(Promise.all(ends))).toEqual(["undecodable, maybe-done", 3])
  })

  it("that are cut off fail what waits for one", async () => {
    const { network, a, toB, raw } = await makeRawAnswerer(8)
    const ends = [endOf(a.rpc.request(toB, ECHO, "?")), endOf(a.rpc.request(toB, TAIL, "?").next())]
    await network.advance(50)
    raw.send(ANSWER, message(2, 9, 0))
    raw.send("rpc/1/parts/1/0", part(4, "half"))
    await network.advance(50)
    raw.stream(ANSWER).reset()
    raw.stream("rpc/1/parts/1/0").reset()
    expect(await network.until(Promise.all(ends))).toEqual([
      "stream-closed, maybe-done",
      { done: false, value: "half" },
    ])
    await network.advance(50)
    expect(left(a)).toEqual([NOTHING])
  })
})

describe("requests", () => {
  it("that are malformed are refused, or dropped if they can't be told apart", async () => {
    const { network, b, answers, raw } = await makeRawAsker(20)
    b.rpc.answer(ECHO, (text) => text)
    const ask = "rpc/1/ask/17"
    raw.send(ask, message(0x40, 1, 0, "undefined bit"))
    raw.send(ask, message(0x20, 2, 0, 1, 0))
    raw.send(ask, message(0x20, 3, 0, 0, 0, 0, 0))
    raw.send(ask, message(0x10, 4, 0, 9, 0, 1, 0))
    raw.send(ask, message(2, 5, 0, "an answer"))
    raw.send(ask, Uint8Array.of(0, 1))
    raw.send(ask, message(0x30, 6, 0, 100, 0, 0, 0, 6, 0, 1, 0, 2, 0, 7, 7, "right"))
    raw.send(ask, message(0, 7, 0, 0xff))
    await network.advance(50)
    expect(answers.filter((it) => it.includes("malformed"))).toHaveLength(5)
    expect(answers.filter((it) => it.includes("undecodable"))).toHaveLength(1)
    expect(answers.filter((it) => it.endsWith("right"))).toHaveLength(1)
    expect(answers).toHaveLength(7)
    expect(b.rpc.stats().dropped.answering.malformed).toBe(6)
  })

  it("on streams that are none of this layer's are stopped, other streams left alone", async () => {
    const { network, a, b, raw } = await makeRawAsker(21)
    expect(left(b)).toEqual([NOTHING])
    const labels = ["rpc/1/ask/070", "rpc/1/ask/65536", "rpc/1/ask/", "rpc/1/what", "rpc/1/parts/1", "rpc/1/ask/1/2"]
    for (const label of labels) raw.send(label, message(0, 0, 0))
    raw.stream("rpc/1/ask/2", "reliable").trySend(MESSAGE, message(0, 0, 0))
    const others = ["rpc/2/ask/1", "rpc", "news"].map((label) => raw.stream(label))
    for (const other of others) other.trySend(MESSAGE, message(0, 0, 0))
    await network.advance(50)
    for (const label of labels) expect([label, raw.stream(label).state]).toEqual([label, "closed"])
    expect(others.map(({ state }) => state)).toEqual(["open", "open", "open"])
    expect(b.rpc.stats().dropped.answering.malformed).toBe(labels.length + 1)
    expect(a.endpoint.isClosed).toBe(false)
  })

  it("that come twice are done once; a later one in the same slot ends the earlier", async () => {
    const { network, b, answers, raw } = await makeRawAsker(22)
    const began: string[] = []
    const told: string[] = []
    b.rpc.answer(ECHO, (text, { signal }) => {
      began.push(text)
      signal.addEventListener("abort", () => told.push(text))
      return new Promise<string>(() => {})
    })
    for (const generation of [5, 5, 4, 6]) raw.send("rpc/1/ask/17", message(0, 0, generation, `g${generation}`))
    await network.advance(50)
    expect(began).toEqual(["g5", "g6"])
    expect(told).toEqual(["g5"])
    expect(b.rpc.stats().dropped.answering.duplicate).toBe(2)
    expect(answers).toEqual([])
  })

  it("that are cancelled before they come aren't done", async () => {
    const { network, b, raw } = await makeRawAsker(23)
    const began: string[] = []
    b.rpc.answer(ECHO, (text) => began.push(text) && text)
    raw.send("rpc/1/cancel", message(1, 0, 0))
    await network.advance(50)
    raw.send("rpc/1/ask/17", message(0, 0, 0, "cancelled"))
    raw.send("rpc/1/ask/17", message(0, 0, 1, "next"))
    await network.advance(50)
    expect(began).toEqual(["next"])
  })

  it("without end, of an asker that takes no answers, are taken only as far as answers have room", async () => {
    const { network, b, raw, a } = await makeRawAsker(24)
    let done = 0
    b.rpc.answer(ECHO, () => {
      done++
      return "x".repeat(10_000)
    })
    a.endpoint.on("stream", (stream) => stream.pause())
    const ask = raw.stream("rpc/1/ask/17")
    let sent = 0
    for (let turn = 0; turn < 200; turn++) {
      while (ask.trySend(MESSAGE, message(0, sent & 0xffff, sent >>> 16, "?")) === "sent") sent++
      await network.advance(20)
    }
    expect(sent).toBeGreaterThan(done)
    const { unsentAnswers, running } = b.rpc.stats()
    expect(running).toBe(0)
    // Those of one packet, which came before the stream was paused.
    expect(unsentAnswers).toBeLessThan(200)
    const before = done
    await network.advance(2_000)
    expect(done).toBe(before)
  })

  it("on more streams than an asker needs are stopped, so that no more wait than it may have wait", async () => {
    const { network, b, a, toB } = await makePair(27)
    a.rpc.close()
    b.rpc.answer(ECHO, () => new Promise<string>(() => {}), { concurrencyMax: 1 })
    const streams = [0, 1, 2, 3].map((slot) => {
      const raw = new Raw(toB)
      raw.send("rpc/1/ask/17", message(0, slot, 0, "?"))
      return raw.stream("rpc/1/ask/17")
    })
    await network.advance(50)
    expect(streams.map(({ state }) => state)).toEqual(["open", "open", "closed", "closed"])
    expect(b.rpc.stats()).toMatchObject({ running: 1, waiting: 1 })
    streams[0]!.reset()
    await network.advance(50)
    const raw = new Raw(toB)
    raw.send("rpc/1/ask/17", message(0, 4, 0, "?"))
    await network.advance(50)
    expect(raw.stream("rpc/1/ask/17").state).toBe("open")
  })

  it("without end hold up nobody else's: places go round", async () => {
    const { network, bind } = makeWorld(25)
    const [a, b, c] = [await bind("a"), await bind("b"), await bind("c")]
    const fromA = await network.until(a.endpoint.join(`b:${PORT}`))
    const fromC = await network.until(c.endpoint.join(`b:${PORT}`))
    const order: string[] = []
    const slow = defineRequest(4, json<string>(), json<string>())
    const settle: (() => void)[] = []
    b.rpc.answer(
      slow,
      (text) => new Promise<string>((resolve) => settle.push(() => (order.push(text), resolve(text)))),
      {
        concurrencyMax: 2,
      },
    )
    const ends = Array.from({ length: 20 }, () => a.rpc.request(fromA, slow, "a"))
    await network.advance(50)
    ends.push(c.rpc.request(fromC, slow, "c"), c.rpc.request(fromC, slow, "c"))
    await network.advance(50)
    expect(b.rpc.stats()).toMatchObject({ running: 2, waiting: 2 })
    const all = Promise.all(ends)
    for (let i = 0; i < 22; i++) {
      settle[i]!()
      await network.advance(20)
    }
    await network.until(all)
    // Two had places, one waited before it.
    expect(order.indexOf("c")).toBeLessThanOrEqual(3)
    expect(order.lastIndexOf("c")).toBeLessThanOrEqual(5)
    expect(left(a, b, c)).toEqual([NOTHING, NOTHING, NOTHING])
  })

  it("beyond what one peer may have wait, and others' don't", async () => {
    const { network, bind } = makeWorld(26)
    const [a, b, c] = [await bind("a"), await bind("b"), await bind("c")]
    b.rpc.answer(ECHO, (text) => (text === "a" ? new Promise<string>(() => {}) : text), {
      ...{ concurrencyMax: 4, concurrencyMaxPerPeer: 3 },
    })
    const fromA = await network.until(a.endpoint.join(`b:${PORT}`))
    const fromC = await network.until(c.endpoint.join(`b:${PORT}`))
    const stuck = Array.from({ length: 10 }, () => endOf(a.rpc.request(fromA, ECHO, "a", { timeoutMs: 60_000 })))
    await network.advance(50)
    expect(b.rpc.stats()).toMatchObject({ running: 3, waiting: 1 })
    for (let i = 0; i < 10; i++) expect(await network.until(c.rpc.request(fromC, ECHO, "c"))).toBe("c")
    void fromA.leave()
    expect(new Set(await network.until(Promise.all(stuck)))).toEqual(new Set(["left, maybe-done"]))
  })

  it("of who has left aren't begun any more, though they had come and wait for a place", async () => {
    const { network, a, b, toB } = await makePair(29)
    let begun = 0
    const untilTold = ({ signal }: Call): Promise<string> =>
      new Promise((_, reject) => {
        begun++
        signal.addEventListener("abort", () => reject(signal.reason as Error))
      })
    b.rpc.answer(ECHO, (_, call) => untilTold(call), { concurrencyMax: 1 })
    const ends = Array.from({ length: 5 }, () => endOf(a.rpc.request(toB, ECHO, "?", { timeoutMs: Infinity })))
    await network.advance(50)
    expect(b.rpc.stats()).toMatchObject({ running: 1, waiting: 1, peers: 1 })
    void toB.leave()
    await network.until(Promise.all(ends))
    await network.advance(50)
    expect(begun).toBe(1)
    expect(b.rpc.stats()).toMatchObject({ ...NOTHING, peers: 0 })
  })
})

describe("answerers", () => {
  it("one that is full pauses its number alone, and hears cancels of what waits", async () => {
    const { network, a, b, toB } = await makePair(40)
    const began: string[] = []
    const settle: (() => void)[] = []
    b.rpc.answer(
      ECHO,
      (text) => {
        began.push(text)
        return new Promise<string>((resolve) => settle.push(() => resolve(text)))
      },
      { concurrencyMax: 1 },
    )
    const OTHER = defineRequest(5, json<number>(), json<number>())
    b.rpc.answer(OTHER, (n) => n + 1)
    const controllers = ["1", "2", "3", "4"].map(() => new AbortController())
    const ends = controllers.map(({ signal }, i) => endOf(a.rpc.request(toB, ECHO, String(i + 1), { signal })))
    await network.advance(50)
    expect(began).toEqual(["1"])
    expect(await network.until(a.rpc.request(toB, OTHER, 1))).toBe(2)
    controllers[1]!.abort() // waits for a place
    controllers[2]!.abort() // waits in its stream
    await network.advance(50)
    settle[0]!()
    await network.advance(50)
    settle[1]!()
    expect(await network.until(Promise.all(ends))).toEqual(["1", "aborted, maybe-done", "aborted, maybe-done", "4"])
    expect(began).toEqual(["1", "4"])
    expect(b.rpc.stats().dropped.answering.cancelled).toBe(2)
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("one whose handler never settles holds its place, and answers everything else", async () => {
    const { network, a, b, toB } = await makePair(41)
    b.rpc.answer(ECHO, (text) => (text === "stuck" ? new Promise<string>(() => {}) : text), { concurrencyMax: 2 })
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "stuck", { timeoutMs: 100 })))).toBe(
      "deadline, maybe-done",
    )
    for (let i = 0; i < 10; i++) expect(await network.until(a.rpc.request(toB, ECHO, "on"))).toBe("on")
    expect(b.rpc.stats()).toMatchObject({ running: 1, deadlines: 0 })
  })

  it("one that returns too much, or what its codec refuses, says so, and is told itself", async () => {
    const { network, a, b, toB } = await makePair(42, { delayMs: 5 }, { messageBytesMax: 100_000 })
    const errors: EndpointError[] = []
    b.endpoint.on("error", (error) => errors.push(error))
    b.rpc.answer(ECHO, (text) => (text === "much" ? "x".repeat(200_000) : (7 as unknown as string)))
    b.rpc.answer(TAIL, function* (text) {
      yield "first"
      yield text === "much" ? "x".repeat(200_000) : (7 as unknown as string)
    })
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "much")))).toBe("too-large, maybe-done")
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "none")))).toBe("unencodable, maybe-done")
    expect(await network.until(partsOf(a.rpc.request(toB, TAIL, "much")))).toEqual(["first", "too-large, maybe-done"])
    expect(await network.until(partsOf(a.rpc.request(toB, TAIL, "none")))).toEqual(["first", "unencodable, maybe-done"])
    expect(errors.map(({ code }) => code)).toEqual(Array.from({ length: 4 }, () => "handler-failed"))
    expect(await network.until(endOf(a.rpc.request(toB, ECHO, "x".repeat(200_000))))).toBe("too-large, not-done")
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("one that lets the failure of a request of its own pass has failed itself", async () => {
    const { network, bind } = makeWorld(43)
    const [a, b, c] = [await bind("a"), await bind("b"), await bind("c")]
    expect(left(c)).toEqual([NOTHING])
    const fromB = await network.until(b.endpoint.join(`c:${PORT}`))
    const fromA = await network.until(a.endpoint.join(`b:${PORT}`))
    const errors: unknown[] = []
    b.endpoint.on("error", ({ cause }) => errors.push((cause as RequestError).code))
    b.rpc.answer(ECHO, (text) => b.rpc.request(fromB, ECHO, text))
    expect(await network.until(endOf(a.rpc.request(fromA, ECHO, "?")))).toBe("failed, maybe-done")
    expect(errors).toEqual(["no-handler"])
    expect(left(a, b, c)).toEqual([NOTHING, NOTHING, NOTHING])
  })

  it("one that is restarted fails what was outstanding, and meets no request of before", async () => {
    const { network, bind } = makeWorld(44)
    const a = await bind("a")
    const b = await bind("b")
    const node = a.endpoint.connect(`b:${PORT}`, { retry: { minMs: 50, maxMs: 100 } })
    await network.until(node.joined())
    b.rpc.answer(ECHO, () => new Promise<string>(() => {}))
    b.rpc.answer(TAIL, async function* (_, { signal }) {
      yield "first"
      await new Promise((resolve) => signal.addEventListener("abort", resolve))
    })
    const ends = [...Array(50).keys()].map((i) => endOf(a.rpc.request(node, ECHO, String(i))))
    const parts = partsOf(a.rpc.request(node, TAIL, "?"))
    await network.advance(50)
    b.host.crash()
    const second = await bind("b")
    second.rpc.answer(ECHO, (text) => `second ${text}`)
    expect(new Set(await network.until(Promise.all(ends)))).toEqual(new Set(["left, maybe-done"]))
    expect(await network.until(parts)).toEqual(["first", "left, maybe-done"])
    expect(await network.until(a.rpc.request(node, ECHO, "?"))).toBe("second ?")
    expect(left(a, second)).toEqual([NOTHING, NOTHING])
    expect(a.rpc.stats().peers).toBe(1)
    await network.until(node.close())
  })

  it("one that asks for more than may be outstanding is refused here", async () => {
    const { network, bind } = makeWorld(45)
    const a = await bind("a", {}, { outstandingMax: 3 })
    const b = await bind("b")
    b.rpc.answer(ECHO, (text) => text)
    const toB = await network.until(a.endpoint.join(`b:${PORT}`))
    const ends = [1, 2, 3, 4].map((n) => endOf(a.rpc.request(toB, ECHO, String(n))))
    expect(await network.until(Promise.all(ends))).toEqual(["1", "2", "3", "busy, not-done"])
  })
})

describe("parts", () => {
  it("whose reader is slow wait at their sender, and cost little", async () => {
    const { network, a, b, toB } = await makePair(60)
    let made = 0
    b.rpc.answer(TAIL, async function* () {
      for (; made < 100_000; made++) yield "x".repeat(1_000)
    })
    const parts = a.rpc.request(toB, TAIL, "?")
    await network.until(parts.next())
    await network.advance(5_000)
    // The window, what waits at either end, and no more.
    expect(made).toBeLessThan(10_000)
    const before = made
    for (let i = 0; i < 3_000; i++) await network.until(parts.next())
    await network.advance(1_000)
    expect(made).toBeGreaterThan(before)
    await parts.return!()
    await network.advance(100)
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("whose reader leaves end: the generator runs its finally, and its signal is told", async () => {
    const { network, a, b, toB } = await makePair(61)
    const ended: string[] = []
    b.rpc.answer(TAIL, async function* (_, { signal }) {
      signal.addEventListener("abort", () => ended.push("signal"))
      try {
        for (let i = 0; ; i++) {
          yield String(i)
          await sleep(b, 1)
        }
      } finally {
        ended.push("finally")
      }
    })
    const read = async (): Promise<void> => {
      for await (const line of a.rpc.request(toB, TAIL, "?")) if (line === "3") break
    }
    await network.until(read())
    await network.advance(100)
    expect(ended.toSorted()).toEqual(["finally", "signal"])
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("a next that waits rejects at once when the signal aborts", async () => {
    const { network, a, b, toB } = await makePair(62)
    let reason: unknown
    b.rpc.answer(TAIL, async function* (_, { signal }) {
      signal.addEventListener("abort", () => (reason = signal.reason))
      yield "first"
      await new Promise(() => {})
    })
    const controller = new AbortController()
    const parts = a.rpc.request(toB, TAIL, "?", { signal: controller.signal })
    expect(await network.until(parts.next())).toEqual({ done: false, value: "first" })
    const waiting = endOf(parts.next())
    const second = endOf(parts.next())
    controller.abort()
    expect(await waiting).toBe("aborted, maybe-done")
    expect(await second).toEqual({ done: true, value: undefined })
    expect(await parts.next()).toEqual({ done: true, value: undefined })
    await network.advance(50)
    expect(reason).toBeInstanceOf(RequestError)
    // The handler never goes on: it holds its place, and nothing else.
    expect(b.rpc.stats()).toMatchObject({ running: 1, deadlines: 0 })
    expect(left(a)).toEqual([NOTHING])
  })

  it("that fail half way give what came before, then the failure", async () => {
    const { network, a, b, toB } = await makePair(63)
    b.endpoint.on("error", () => {})
    b.rpc.answer(TAIL, async function* (text) {
      yield "one"
      yield "two"
      throw text === "own" ? new RequestError("no-more", "that's all", "maybe-done") : new Error("?")
    })
    expect(await network.until(partsOf(a.rpc.request(toB, TAIL, "own")))).toEqual(["one", "two", "no-more, maybe-done"])
    expect(await network.until(partsOf(a.rpc.request(toB, TAIL, "?")))).toEqual(["one", "two", "failed, maybe-done"])
    const none = b.rpc.stats().running
    expect(none).toBe(0)
  })

  it("have a deadline for all of them", async () => {
    const { network, a, b, toB } = await makePair(64)
    b.rpc.answer(TAIL, async function* (_, { signal }) {
      for (let i = 0; !signal.aborted; i++) {
        yield String(i)
        await sleep(b, 50)
      }
    })
    const parts = await network.until(partsOf(a.rpc.request(toB, TAIL, "?", { timeoutMs: 400 })))
    expect(parts.at(-1)).toBe("deadline, maybe-done")
    await network.advance(100)
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })

  it("that aren't any are a failure of the handler", async () => {
    const { network, a, b, toB } = await makePair(65)
    b.endpoint.on("error", () => {})
    b.rpc.answer(TAIL, () => 7 as unknown as Iterable<string>)
    expect(await network.until(partsOf(a.rpc.request(toB, TAIL, "?")))).toEqual(["failed, maybe-done"])
    expect(left(a, b)).toEqual([NOTHING, NOTHING])
  })
})
