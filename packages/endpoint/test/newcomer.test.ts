import { Endpoint } from "@x/endpoint"
import { expect, test } from "vitest"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])("write refuses a size of %d at once", async (size) => {
  const { network, b, toB } = await makePair(1)
  const received: number[] = []
  b.handle(1, ({ length }) => received.push(length))
  const stream = toB.open()
  expect(() => stream.write(1, size, () => {})).toThrow(RangeError)
  stream.trySend(1, pattern(3))
  await network.until(stream.flush())
  expect(received).toEqual([3])
})

test("what is no Uint8Array is refused with what to do", async () => {
  const { toB } = await makePair(2)
  for (const wrong of ["hello", new ArrayBuffer(5), [1, 2], undefined]) {
    expect(() => toB.open().trySend(1, wrong as never)).toThrow("encode")
    expect(() => toB.open().send(1, wrong as never)).toThrow("encode")
  }
})

test("write takes messages larger than the window, which then wait", async () => {
  const { network, b, toB } = await makePair(3)
  const received: Uint8Array[] = []
  b.handle(1, (message) => received.push(message.copy()))
  const stream = toB.open()
  expect(stream.write(1, 3_000_000, (bytes, offset) => bytes.set(pattern(3_000_000), offset))).toBe("parked")
  await network.until(stream.flush())
  expect(Buffer.compare(received[0]!, pattern(3_000_000))).toBe(0)
})

test("a ping is answered by an answer to itself", async () => {
  const { network, a, b } = await makePair(4, { delayMs: 20 })
  const [toB] = a.peers
  expect(await network.until(toB!.ping())).toBe(40)
  expect(await network.until(Promise.all([toB!.ping(), toB!.ping()]))).toEqual([40, 40])
  expect(await network.until(b.peers[0]!.ping())).toBe(40)
})

test("a ping that isn't answered says so after its time; an abort settles it at once", async () => {
  const { network, toB } = await makePair(5)
  network.partition("a", "b")
  const startMs = network.now
  await expect(network.until(toB.ping({ timeoutMs: 3_000 }))).rejects.toMatchObject({ code: "timeout" })
  expect(network.now - startMs).toBeCloseTo(3_000, 3)
  const abort = new AbortController()
  const ping = toB.ping({ signal: abort.signal })
  ping.catch(() => {})
  await network.advance(100)
  abort.abort()
  await expect(network.until(ping, 0)).rejects.toMatchObject({ code: "aborted" })
  await network.until(toB.leave())
  await expect(toB.ping()).rejects.toMatchObject({ code: "not-joined" })
})

test("a ping whose question or answer is lost is asked again, though the other side's heartbeats leave no reason for one", async () => {
  for (const lost of ["a", "b"]) {
    const { network, b, toB } = await makePair(14, { delayMs: 5 }, { heartbeatMs: 500, leaveMs: 100_000 })
    await network.advance(2_000)
    let isLost = false
    network.filter(({ from }) => {
      if (from !== lost || isLost) return true
      isLost = true
      return false
    })
    const ping = toB.ping()
    // The other side asks by itself, again and again.
    void b.peers[0]!.ping()
    expect(await network.until(ping)).toBeLessThan(500)
    expect(isLost).toBe(true)
  }
})

test("an endpoint that closes just after it accepted a join says goodbye to whoever joined", async () => {
  const { network, bind } = makeWorld(6, { delayMs: 10 })
  const { endpoint: server } = await bind("server")
  const { endpoint: client } = await bind("client")
  const events: string[] = []
  client.on("left", (_, { text, reason }) => events.push(`left ${reason}${text}`))
  server.on("left", () => events.push("a peer the server never knew of"))
  await network.until(client.join(`server:${PORT}`))
  expect(server.peers).toEqual([])
  await network.until(server.close())
  await network.advance(100)
  expect(events).toEqual(["left 1"])
  await network.advance(5_000)
  expect(client.sizes).toMatchObject({ peers: 0, slots: 0, timers: 0 })
})

test("the end of a fire-and-forget stream doesn't overtake what was sent before it", async () => {
  const { network, b, toB } = await makePair(7)
  const received: number[] = []
  const ends: unknown[] = []
  b.on("stream", (stream) => void stream.closed.then((end) => ends.push(end)))
  b.handle(1, ({ length }) => received.push(length))
  const stream = toB.open({ delivery: "fire-and-forget" })
  for (let i = 0; i < 10; i++) stream.trySend(1, new Uint8Array(1_000 + i))
  await network.until(stream.end())
  expect(received).toEqual(Array.from({ length: 10 }, (_, i) => 1_000 + i))
  expect(ends).toMatchObject([{ isComplete: false }])
})

test("a label that came late is told once it is there", async () => {
  const { network, b, toB } = await makePair(8)
  const labels: string[] = []
  b.handle(1, ({ stream }) => labels.push(stream.label))
  let lost = 0
  network.filter(({ from, bytes }) => from !== "a" || !Buffer.from(bytes).includes("the label") || ++lost > 1)
  const stream = toB.open({ delivery: "fire-and-forget", label: "the label" })
  stream.trySend(1, pattern(10))
  await network.advance(1_000)
  stream.trySend(1, pattern(10))
  await network.advance(100)
  expect(labels).toEqual(["", "the label"])
})

test("an option or event that doesn't exist is refused with those that do", async () => {
  const { network, bind } = makeWorld(9)
  await expect(network.until(Endpoint.bind({ host: network.host("x"), prot: 1 } as never))).rejects.toMatchObject({
    code: "invalid-option",
    message: expect.stringContaining("port"),
  })
  const { endpoint } = await bind("a")
  // @ts-expect-error: the map of events is closed.
  expect(() => endpoint.on("join", () => {})).toThrow("joined")
  // @ts-expect-error: none of these tells a number, whichever it is.
  for (const name of ["joined", "left"] as const) endpoint.on(name, (peer: number) => peer)
})

test("a message kept after its handler's call tells nothing wrong", async () => {
  const { network, b, toB } = await makePair(10)
  let kept: { type: number; length: number; bytes: Uint8Array } | undefined
  b.handle(1, (message) => (kept = message))
  const stream = toB.open()
  stream.trySend(1, pattern(10))
  await network.until(stream.flush())
  for (const field of ["type", "length", "bytes", "offset", "view", "peer", "stream"] as const)
    expect(() => kept![field as "type"]).toThrow("copy()")
})

test("stats are of the moment they were asked for, those of the transport too", async () => {
  const { network, a, hostA, toB } = await makePair(41)
  const before = a.stats()
  const { datagramsSent, errors } = before.transport
  const { EPERM } = errors
  hostA.failSends("EPERM")
  toB.open().trySend(1, pattern(10))
  await network.advance(100)
  expect([before.transport.datagramsSent, before.transport.errors.EPERM]).toEqual([datagramsSent, EPERM])
  expect(a.stats().transport.errors.EPERM).toBeGreaterThan(EPERM)
})
