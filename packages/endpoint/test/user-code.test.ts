// What the application's own functions may do while they are called: throw, reject, come back in, change who is called.

import type { Endpoint, EndpointError, IncomingStream, OutgoingStream, Peer } from "@x/endpoint"
import { fixed } from "@x/endpoint"
import { expect, test } from "vitest"
import { Events } from "../src/events.ts"
import { UserCode } from "../src/user-code.ts"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

interface TestEvents {
  happened: (what: number) => void
  error: (error: EndpointError) => void
}

/** Events of a border of their own; `turn` is the driver's. */
function makeEvents(): { events: Events<TestEvents>; userCode: UserCode; thrown: unknown[]; turns: () => number } {
  let turns = 0
  const thrown: unknown[] = []
  const defer = (run: () => void): void => {
    try {
      run()
    } catch (error) {
      thrown.push(error)
    }
  }
  const userCode = new UserCode({ onNews: () => void turns++, defer })
  const events = new Events<TestEvents>(["happened", "error"], userCode)
  userCode.tellErrorsTo(events as never)
  return { events, userCode, thrown, turns: () => turns }
}

test("a listener is never called from within what caused the event, but when it is its turn, in order", () => {
  const { events, userCode, turns } = makeEvents()
  const told: number[] = []
  events.on("happened", (what) => told.push(what))
  for (const what of [1, 2, 3]) events.emit("happened", what)
  expect([told, turns()]).toEqual([[], 1])
  userCode.catchUp()
  expect(told).toEqual([1, 2, 3])
})

test("a listener added while others are told waits for the next time; one that is taken away isn't told", () => {
  const { events, userCode } = makeEvents()
  const told: string[] = []
  const offs: (() => void)[] = []
  events.on("happened", (what) => {
    told.push(`first ${what}`)
    offs[0]!()
    if (what === 1) events.on("happened", (again) => told.push(`added ${again}`))
  })
  offs.push(events.on("happened", (what) => told.push(`removed ${what}`)))
  events.on("happened", (what) => told.push(`last ${what}`))
  events.emit("happened", 1)
  userCode.catchUp()
  expect(told).toEqual(["first 1", "last 1"])
  events.emit("happened", 2)
  userCode.catchUp()
  expect(told.slice(2)).toEqual(["first 2", "last 2", "added 2"])
})

test("the same listener registered twice is told twice, each `off` takes one, and once", () => {
  const { events, userCode } = makeEvents()
  let told = 0
  const listener = (): void => void told++
  const first = events.on("happened", listener)
  const second = events.on("happened", listener)
  const tell = (): number => {
    told = 0
    events.emit("happened", 1)
    userCode.catchUp()
    return told
  }
  expect(tell()).toBe(2)
  first()
  first()
  expect([tell(), events.has("happened")]).toEqual([1, true])
  events.on("happened", listener)
  first()
  expect(tell()).toBe(2)
  second()
  expect(tell()).toBe(1)
})

test("a listener that registers anew each time it is told is told once for each event", () => {
  const { events, userCode } = makeEvents()
  let told = 0
  const listen = (): void => {
    const off = events.on("happened", () => {
      off()
      told++
      listen()
    })
  }
  listen()
  for (let i = 1; i <= 3; i++) {
    events.emit("happened", i)
    userCode.catchUp()
    expect(told).toBe(i)
  }
})

test("what is no function is no listener", () => {
  const { events } = makeEvents()
  expect(() => events.on("happened", undefined as never)).toThrow(TypeError)
  expect(() => events.on("nothing" as "happened", () => {})).toThrow("there is no event")
})

test("events that cause events without end take their turns: what else there is to do is done between", () => {
  const { events, userCode, turns } = makeEvents()
  let told = 0
  events.on("happened", (what) => {
    told++
    events.emit("happened", what + 1)
  })
  events.emit("happened", 0)
  userCode.catchUp()
  expect(told).toBe(1_024)
  expect([userCode.hasNews, turns()]).toEqual([true, 2])
})

test("however many wait when the telling begins, all of those are told before a message", () => {
  const { events, userCode } = makeEvents()
  let told = 0
  events.on("happened", () => told++)
  for (let i = 0; i < 5_000; i++) events.emit("happened", i)
  userCode.catchUp()
  expect(told).toBe(5_000)
})

class Thenable {
  // oxlint-disable-next-line unicorn/no-thenable
  then(_: unknown, reject: (error: Error) => void): void {
    reject(new Error("no"))
  }
}

const FAILURES: readonly [string, () => unknown][] = [
  [
    "throws",
    () => {
      throw new Error("no")
    },
  ],
  ["rejects", () => Promise.reject(new Error("no"))],
  ["rejects by a thenable of its own", () => new Thenable()],
  [
    "answers what throws when it is asked for a promise",
    () => ({
      // oxlint-disable-next-line unicorn/no-thenable
      get then(): never {
        throw new Error("no")
      },
    }),
  ],
]

test.each(FAILURES)("a listener that %s keeps no other from being told, and its error comes once", async (_, fail) => {
  const { events, userCode, thrown } = makeEvents()
  const told: string[] = []
  const errors: EndpointError[] = []
  events.on("error", (error) => errors.push(error))
  events.on("happened", () => told.push("before"))
  events.on("happened", fail)
  events.on("happened", () => told.push("after"))
  events.emit("happened", 1)
  userCode.catchUp()
  await Promise.resolve().then(() => new Promise(setImmediate))
  userCode.catchUp()
  expect(told).toEqual(["before", "after"])
  const message = 'the listener of "happened" threw: no'
  expect(errors).toMatchObject([{ code: "handler-failed", message, cause: { message: "no" } }])
  expect(thrown).toEqual([])
})

test.each(FAILURES)("an error listener that %s: it isn't told of itself, that is thrown uncaught", async (_, fail) => {
  const { events, userCode, thrown } = makeEvents()
  const errors: EndpointError[] = []
  events.on("error", fail)
  events.on("error", (error) => errors.push(error))
  userCode.surface(new Error("first"), "a test")
  userCode.catchUp()
  await new Promise(setImmediate)
  userCode.catchUp()
  expect(errors.map(({ message }) => message)).toEqual(["a test threw: first"])
  expect(thrown).toMatchObject([{ code: "handler-failed", message: 'the listener of "error" threw: no' }])
})

test("an error that nobody listens to by the time it would be told is thrown", () => {
  const { events, userCode, thrown } = makeEvents()
  const off = events.on("error", () => {})
  userCode.surface(new Error("first"), "a test")
  off()
  userCode.catchUp()
  userCode.surface(new Error("second"), "a test")
  expect(thrown).toMatchObject([{ message: "a test threw: first" }, { message: "a test threw: second" }])
})

test.each([
  ["an object without a prototype", Object.create(null) as unknown],
  ["a symbol", Symbol("s")],
  ["nothing", undefined],
  ["an error whose message is none", Object.assign(new Error("x"), { message: Object.create(null) as string })],
])("%s can be thrown like anything else", async (_, what) => {
  const { network, b, toB } = await makePair(2)
  const errors: EndpointError[] = []
  let received = 0
  b.on("error", (error) => errors.push(error))
  b.handle(1, () => {
    received++
    throw what
  })
  const stream = toB.open()
  for (let i = 0; i < 3; i++) stream.trySend(1, pattern(1))
  await network.until(stream.flush())
  expect([received, errors.length]).toEqual([3, 3])
  for (const error of errors) expect([error.code, error.cause]).toEqual(["handler-failed", what])
})

test("a producer that listens to one drain at a time, and goes on within it, is called once for each", async () => {
  const { network, b, toB } = await makePair(3, { delayMs: 10 }, { windowPackets: 8, parkedMessagesMax: 2 })
  const other = toB.open()
  let received = 0
  let others = 0
  b.handle(1, () => received++)
  b.handle(2, () => others++)
  const stream = toB.open()
  let sent = 0
  let calls = 0
  const pump = (): void => {
    calls++
    for (; sent < 100; sent++) {
      if (stream.trySend(1, pattern(1_000)) !== "refused") continue
      const off = stream.on("drain", () => {
        off()
        pump()
      })
      return
    }
  }
  pump()
  for (let i = 0; i < 20; i++) {
    other.trySend(2, pattern(10))
    await network.advance(10)
  }
  await network.when(() => received === 100)
  expect(others).toBe(20)
  // A window's worth each time.
  expect(calls).toBeLessThan(30)
})

test("the events before a message are told before it: joined, stream, gap, left", async () => {
  const { network, bind } = makeWorld(5)
  const story: string[] = []
  const { endpoint: b } = await bind("b")
  b.on("joined", () => story.push("joined"))
  b.on("stream", (stream) => {
    story.push(`stream ${stream.label}`)
    stream.on("gap", (messages) => story.push(`gap ${messages}`))
  })
  b.on("left", () => story.push("left"))
  b.handle(1, ({ view, offset }) => story.push(`message ${view.getUint8(offset)}`))
  const { endpoint: a } = await bind("a")
  const toB = await network.until(a.join(`b:${PORT}`))
  const stream = toB.open({ label: "x", delivery: "best-effort", lifetimeMs: 40 })
  stream.trySend(1, pattern(900, 0))
  await network.advance(100)
  network.filter(({ to, bytes }) => to !== "b" || bytes.length < 500)
  for (const index of [1, 2]) stream.trySend(1, pattern(900, index))
  await network.advance(100)
  network.filter(() => true)
  stream.trySend(1, pattern(900, 3))
  await network.advance(100)
  await network.until(toB.leave())
  expect(story).toEqual(["joined", "stream x", "message 0", "gap 2", "message 3", "left"])
})

test("a stream that a listener of its opening pauses, stops or leaves hands over nothing after that", async () => {
  const acts: Record<string, (stream: IncomingStream) => void> = {
    pause: (stream) => stream.pause(),
    stop: (stream) => stream.stop(),
    leave: (stream) => void stream.peer.leave(),
  }
  for (const [name, act] of Object.entries(acts)) {
    const { network, b, toB } = await makePair(4)
    const story: string[] = []
    b.on("stream", act)
    b.handle(1, () => story.push("message"))
    for (const delivery of ["reliable", "best-effort", "reliable-unordered", "latest"] as const) {
      if (toB.state !== "joined") break
      const stream = toB.open({ delivery })
      stream.trySend(1, pattern(10))
      stream.trySend(1, pattern(5_000))
      await network.advance(100)
    }
    expect([name, story]).toEqual([name, []])
  }
})

interface Place {
  readonly endpoint: Endpoint
  readonly peer: Peer
  readonly out: OutgoingStream
  readonly incoming: readonly IncomingStream[]
}

const ACTS: Record<string, (at: Place) => unknown> = {
  "close()": ({ endpoint }) => endpoint.close(),
  "leave()": ({ peer }) => peer.leave(),
  "open() and trySend()": ({ peer }) => peer.open().trySend(1, pattern(3_000)),
  "reset()": ({ out }) => out.reset(),
  "end()": ({ out }) => out.end(),
  "stop()": ({ incoming }) => incoming.forEach((stream) => stream.stop()),
  "pause() and resume()": ({ incoming }) =>
    incoming.forEach((stream) => {
      stream.pause()
      stream.resume()
    }),
  "messages()": ({ incoming, peer }) => [...incoming.map((stream) => stream.messages()), peer.messages(1)],
  "a join of the same peer, and of nobody": ({ endpoint }) => [
    endpoint.join(`a:${PORT}`).catch(() => {}),
    endpoint.join("a:9", { timeoutMs: 50 }).catch(() => {}),
  ],
  "connect()": ({ endpoint }) => endpoint.connect(`a:${PORT}`).stream({ label: "named" }).trySend(1, pattern(1)),
}

test.each(Object.entries(ACTS))("%s from within any listener, handler or drain harms nothing", async (_, act) => {
  for (const from of ["joined", "stream", "gap", "left", "unreachable", "drain", "handler", "error"] as const) {
    const { network, bind } = makeWorld(6, { delayMs: 5, lossRate: 0.02 })
    const { endpoint: a, host: hostA } = await bind("a", { congestion: fixed() })
    const little = { windowPackets: 8, parkedMessagesMax: 2 }
    const { endpoint: b } = await bind("b", { unreachableMs: 2_000, leaveMs: 1_000, ...little })
    a.handle(1, () => {})
    const incoming: IncomingStream[] = []
    let isDone = false
    let out: OutgoingStream | undefined
    const run = (name: string): void => {
      const peer = b.peers[0] ?? incoming[0]?.peer
      if (name !== from || isDone || peer === undefined || out === undefined) return
      isDone = true
      void Promise.resolve(act({ endpoint: b, peer, out, incoming })).catch(() => {})
    }
    b.on("joined", (peer) => {
      out = peer.open({ label: "out" })
      out.on("drain", () => run("drain"))
      while (out.trySend(1, pattern(1_100)) !== "refused");
      run("joined")
    })
    b.on("stream", (stream) => {
      incoming.push(stream)
      stream.on("gap", () => run("gap"))
      run("stream")
    })
    b.on("left", () => run("left"))
    b.on("unreachable", () => run("unreachable"))
    b.on("error", () => run("error"))
    b.handle(1, () => run("handler"))
    b.handle(2, () => {
      throw new Error("for the error listener")
    })
    const toB = await network.until(a.join(`b:${PORT}`))
    for (const delivery of ["reliable", "best-effort", "latest", "fire-and-forget", "reliable-unordered"] as const) {
      const stream = toB.open({ delivery, ...(delivery === "best-effort" ? { lifetimeMs: 1 } : {}) })
      for (let i = 0; i < 10; i++) stream.trySend(1 + (i % 2), pattern(600 * i))
    }
    for (let i = 0; i < 20; i++) {
      await network.advance(25)
      for (const endpoint of [a, b]) endpoint.assertInvariants()
    }
    hostA.crash()
    await network.advance(5_000)
    b.assertInvariants()
    expect([from, isDone]).toEqual([from, true])
    await network.until(b.close(), 30_000)
    expect(b.sizes).toMatchObject({ peers: 0, slots: 0, joins: 0, timers: 0, sendPool: 0 })
  }
})

test("a message stays as it is until its handler returns, also when that resumes another stream", async () => {
  const { network, b, toB } = await makePair(7, { delayMs: 10 })
  const held: IncomingStream[] = []
  const story: string[] = []
  b.on("stream", (stream) => {
    if (stream.label !== "held") return
    held.push(stream)
    stream.pause()
  })
  b.handle(2, (message) => {
    story.push(`held ${message.length}`)
  })
  b.handle(1, (message) => {
    const before = message.copy()
    held[0]!.resume()
    story.push(`${message.type} ${message.length}`)
    expect(message.copy()).toEqual(before)
  })
  const [data, control] = [toB.open({ label: "held" }), toB.open({ label: "control" })]
  for (let i = 1; i <= 3; i++) data.trySend(2, pattern(i))
  await network.advance(100)
  for (const length of [100, 200]) control.trySend(1, pattern(length))
  await network.advance(100)
  expect(story).toEqual(["1 100", "1 200", "held 1", "held 2", "held 3"])
})

test("resume hands over nothing from within its call, wherever that comes from; a pause after it holds", async () => {
  const { network, b, toB } = await makePair(8)
  let held: IncomingStream | undefined
  let received = 0
  b.on("stream", (stream) => {
    held = stream
    stream.pause()
  })
  b.handle(1, () => received++)
  const stream = toB.open()
  for (let i = 0; i < 3; i++) stream.trySend(1, pattern(10))
  await network.advance(50)
  held!.resume()
  expect(received).toBe(0)
  held!.pause()
  await network.advance(50)
  expect(received).toBe(0)
  held!.resume()
  held!.resume()
  await network.advance(0)
  expect(received).toBe(3)
})

test("a handler that is taken away or replaced while messages come counts from the next one on", async () => {
  const { network, b, toB } = await makePair(9)
  const story: string[] = []
  const off = b.handle(1, ({ length }) => {
    story.push(`first ${length}`)
    off()
    off()
    if (length === 1) b.handle(1, (message) => story.push(`second ${message.length}`))
  })
  const stream = toB.open()
  for (const length of [1, 2, 3]) stream.trySend(1, pattern(length))
  await network.until(stream.flush())
  off()
  stream.trySend(1, pattern(4))
  await network.until(stream.flush())
  expect(story).toEqual(["first 1", "second 2", "second 3", "second 4"])
})

test("who begins to read while a handler has a message gets the next one", async () => {
  const { network, b, toB } = await makePair(10)
  const read: string[] = []
  const reading = async (name: string, messages: AsyncIterable<{ bytes: Uint8Array }>): Promise<void> => {
    for await (const { bytes } of messages) read.push(`${name} ${bytes.length}`)
  }
  const [toA] = b.peers as [Peer]
  void reading("first", toA.messages(1))
  let isFirst = true
  b.handle(1, () => {
    if (isFirst) void reading("second", toA.messages(1))
    isFirst = false
  })
  const stream = toB.open()
  for (const length of [1, 2]) {
    stream.trySend(1, pattern(length))
    await network.advance(50)
  }
  expect(read.toSorted()).toEqual(["first 1", "first 2", "second 2"])
})

test("what happens while the endpoint closes is told before its promise settles", async () => {
  const { network, b, toB } = await makePair(11)
  const story: string[] = []
  b.on("left", () => story.push("left"))
  b.peers[0]!.open().trySend(1, pattern(10))
  network.partition("a", "b")
  await network.until(b.close().then(() => story.push("closed")))
  expect(story).toEqual(["left", "closed"])
  void toB
})
