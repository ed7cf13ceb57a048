// What the application's own functions may do while they are called: throw, reject, call back, change the listeners.

import type { Endpoint, EndpointError, IncomingStream, OutgoingStream, Peer } from "@x/endpoint"
import { defineMessage, EndpointError as Failure, fixed } from "@x/endpoint"
import { expect, test } from "vitest"
import { Events } from "../../src/api/events.ts"
import { UserCode } from "../../src/api/user-code.ts"
import { group, keyOf, publicKeyOf } from "../members.ts"
import { transfer } from "../memory.ts"
import { makePair, makeWorld, pattern, PORT } from "../world.ts"

interface TestEvents {
  happened: (what: number) => void
  error: (error: EndpointError) => void
}

/** Events with a border of their own; `turn` stands for the driver's turn. */
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

test("a listener of `once` is told once, whatever happened by then, or never if it is taken off before", () => {
  const { events, userCode } = makeEvents()
  const told: string[] = []
  events.on("happened", (what) => told.push(`on ${what}`))
  events.once("happened", (what) => told.push(`once ${what}`))
  events.once("happened", () => told.push("taken off"))()
  const late = events.once("happened", (what) => told.push(`late ${what}`))
  // All of them happen before any listener is told.
  for (const what of [1, 2, 3]) events.emit("happened", what)
  userCode.catchUp()
  expect(told).toEqual(["on 1", "once 1", "late 1", "on 2", "on 3"])
  late()
  events.emit("happened", 4)
  userCode.catchUp()
  expect(told.slice(5)).toEqual(["on 4"])
})

test("the same listener given to `once` twice, and to `on`, is three registrations, each taken off by itself", () => {
  const { events, userCode } = makeEvents()
  let told = 0
  const listener = (): void => void told++
  const tell = (): number => {
    told = 0
    events.emit("happened", 1)
    userCode.catchUp()
    return told
  }
  const [first] = [
    events.once("happened", listener),
    events.once("happened", listener),
    events.on("happened", listener),
  ]
  first!()
  first!()
  expect([tell(), tell()]).toEqual([2, 1])
})

test("a listener of `once` that listens once more is told of the next event; one that throws or rejects is over too, and its error comes once", async () => {
  const { events, userCode, thrown } = makeEvents()
  const told: number[] = []
  const again = (what: number): void => {
    told.push(what)
    events.once("happened", again)
  }
  events.once("happened", again)
  const errors: string[] = []
  events.on("error", ({ message }) => errors.push(message))
  for (const [, fail] of FAILURES) events.once("happened", fail)
  for (const what of [1, 2, 3]) events.emit("happened", what)
  userCode.catchUp()
  await new Promise(setImmediate)
  userCode.catchUp()
  expect(told).toEqual([1, 2, 3])
  expect([errors, thrown]).toEqual([FAILURES.map(() => 'the listener of "happened" threw: no'), []])
})

test("all that tells of events tells of them once, who listens by `once`", async () => {
  const { network, bind } = makeWorld(31)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  b.handle(1, () => {})
  const told: string[] = []
  const once = (name: string) => (): void => void told.push(name)
  b.once("joined", once("joined"))
  b.once("stream", (stream) => {
    told.push("stream")
    stream.once("gap", once("gap"))
  })
  const node = a.connect(`b:${PORT}`)
  node.once("up", once("up"))
  node.once("down", once("down"))
  const named = node.stream({ label: "x", delivery: "best-effort" })
  named.once("open", once("open"))
  named.once("closed", once("named closed"))
  const peer = await network.until(node.joined())
  await network.advance(100)
  const stream = peer.open()
  stream.once("closed", once("closed"))
  b.peers[0]!.open().trySend(1, pattern(1))
  named.trySend(1, pattern(1))
  await network.advance(100)
  // Two messages that won't come, and then one that does, twice.
  for (let i = 0; i < 2; i++) {
    network.partition("a", "b")
    named.reopen()!.trySend(1, pattern(900_000))
    named.trySend(1, pattern(900_000))
    await network.advance(10)
    network.heal()
    named.trySend(1, pattern(1))
    await network.advance(5_000)
  }
  for (let i = 0; i < 2; i++) {
    await network.until(node.peer!.leave())
    await network.until(node.joined())
    await network.advance(100)
  }
  expect(told.toSorted()).toEqual(["closed", "down", "gap", "joined", "named closed", "open", "stream", "up"])
})

test("what is no function is no listener", () => {
  const { events } = makeEvents()
  for (const listen of ["on", "once"] as const) {
    expect(() => events[listen]("happened", undefined as never)).toThrow(TypeError)
    expect(() => events[listen]("nothing" as "happened", () => {})).toThrow("there is no event")
  }
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

test("what only says how a call of this package ended is told to who listens, else counted, and never thrown", () => {
  const { events, userCode, thrown } = makeEvents()
  const outcome = new Failure("not-joined", "the peer has left")
  userCode.surface(outcome, "a handler")
  userCode.surface(new Failure("invalid-option", "a mistake"), "a handler")
  expect([userCode.untold, thrown.map((error) => (error as Error).message)]).toEqual([
    1,
    ["a handler threw: a mistake"],
  ])
  const told: unknown[] = []
  events.on("error", ({ cause }) => void told.push(cause))
  userCode.surface(outcome, "a handler")
  userCode.catchUp()
  expect([userCode.untold, told, thrown.length]).toEqual([1, [outcome], 1])
})

test("a peer that leaves while it is answered ends no program: the answer's rejection is counted", async () => {
  const { network, a, b, toB } = await makePair(4)
  b.handleAsync(1, async (message) => {
    await new Promise<void>((resolve) => b.once("left", () => resolve()))
    await message.reply(2, pattern(1))
  })
  toB.open().trySend(1, pattern(1))
  await network.advance(100)
  await network.until(toB.leave())
  // An exception of the program would reject this.
  await network.advance(100)
  expect(b.stats().untoldErrors).toBe(1)
  await network.until(Promise.all([a.close(), b.close()]))
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
  network.filter(({ to, bytes }) => to !== "b" || bytes.length < 900)
  for (const index of [1, 2]) stream.trySend(1, pattern(900, index))
  // It comes early, and is handed over with the packet that says what is gone before it.
  stream.trySend(1, pattern(800, 3))
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

test("a handler that transfers the memory of its message is told, and ends that stream at most", async () => {
  for (const delivery of ["reliable", "reliable-unordered", "best-effort", "fire-and-forget"] as const) {
    const { network, b, toB } = await makePair(23)
    const errors: string[] = []
    const received: number[] = []
    b.on("error", ({ message }) => errors.push(message))
    b.handle(1, ({ bytes }) => {
      received.push(bytes.length)
      if (received.length === 2) transfer(bytes)
    })
    b.handle(2, ({ length }) => received.push(length))
    const [stream, other] = [toB.open({ delivery }), toB.open()]
    await network.advance(50)
    // In one packet, and that of the other stream in the same datagram.
    for (const length of [1, 2, 3]) stream.trySend(1, pattern(length))
    for (const length of [11, 12]) other.trySend(2, pattern(length))
    await network.until(other.flush())
    expect([delivery, received]).toEqual([delivery, [1, 2, 11, 12]])
    expect(errors).toEqual([expect.stringContaining("not to be transferred: give away a copy()")])
    const isReliable = delivery.startsWith("reliable")
    expect([delivery, stream.state]).toEqual([delivery, isReliable ? "closed" : "open"])
    b.assertInvariants()
  }
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

test("what has happened by the time an endpoint is closed is told before its promise settles", async () => {
  const { network, b, toB } = await makePair(11)
  const story: string[] = []
  let fail: (error: Error) => void = () => {}
  b.on("left", () => {
    story.push("left")
    return new Promise((_, reject) => (fail = reject))
  })
  b.on("error", ({ message }) => story.push(message))
  await network.until(toB.leave())
  await network.advance(2_000)
  fail(new Error("late"))
  await network.until(b.close().then(() => story.push("closed")))
  expect(story).toEqual(["left", 'the listener of "left" threw: late', "closed"])
})

/** Bytes sent to another peer, which must not show up anywhere else. */
const SECRET = 0xee

/** A hub whose memory is full of messages to one peer, and another peer, with the messages that it receives. */
async function makeHub(): Promise<{
  network: Awaited<ReturnType<typeof makePair>>["network"]
  hub: Endpoint
  toB: Peer
  secret: () => Promise<void>
  received: Uint8Array[]
}> {
  const { network, bind, a: hub, b, toB } = await makePair(20, { delayMs: 5 }, { sendPoolPacketsMax: 64 })
  const { endpoint: c } = await bind("c")
  const toC = await network.until(hub.join(`c:${PORT}`))
  const received: Uint8Array[] = []
  b.handle(1, (message) => void received.push(message.copy()))
  c.handle(1, () => {})
  const secret = async (): Promise<void> => {
    const stream = toC.open()
    for (let i = 0; i < 60; i++) stream.trySend(1, new Uint8Array(1_100).fill(SECRET))
    for (let i = 0; i < 60; i++) stream.write(1, 1_100, (bytes, offset) => bytes.fill(SECRET, offset, offset + 1_100))
    await network.until(stream.end())
  }
  return { network, hub, toB, secret, received }
}

/** Writes the first byte of its value and leaves out the others. */
const short = defineMessage<number>(1, {
  size: (value) => value,
  write: (value, bytes, offset) => void (bytes[offset] = value & 127),
  decode: (bytes) => bytes.length,
})

const SHORT: Record<string, (stream: OutgoingStream, size: number) => unknown> = {
  "a fill": (stream, size) => stream.write(1, size, (bytes, offset) => void (bytes[offset] = size & 127)),
  "a fill that writes nothing": (stream, size) => stream.write(1, size, () => {}),
  "a codec": (stream, size) => stream.trySend(short, size),
  "a codec, sent": (stream, size) => stream.send(short, size),
}

test.each(Object.entries(SHORT))("%s that leaves out bytes sends zeros, not what was there before", async (_, send) => {
  const { network, toB, secret, received } = await makeHub()
  for (const delivery of ["reliable", "reliable-unordered", "best-effort", "latest", "fire-and-forget"] as const) {
    await secret()
    const stream = toB.open({ delivery })
    for (const size of [1, 2, 7, 8, 9, 63, 64, 127, 128, 129, 500, 1_100, 2_048, 2_049, 5_000]) {
      received.length = 0
      send(stream, size)
      await network.until(stream.flush(), 1_000)
      await network.advance(20)
      expect([delivery, size, received.length, received[0]?.length]).toEqual([delivery, size, 1, size])
      expect(received[0]!.subarray(1)).toEqual(new Uint8Array(size - 1))
    }
  }
})

test("a fill has memory of its own: what it writes beyond, later, or transfers, reaches no other message", async () => {
  const { network, hub, toB, received } = await makeHub()
  const stream = toB.open()
  const kept: Uint8Array[] = []
  const fillings: ((bytes: Uint8Array, offset: number) => void)[] = [
    // Bytes beyond its range are cut off, or an error; everything within reach is written to.
    (bytes, offset) => new Uint8Array(bytes.buffer).fill(SECRET, offset + 10),
    (bytes, offset) => {
      for (let i = 0; i < 100_000; i++) bytes[offset + 10 + i] = SECRET
    },
    (bytes) => kept.push(bytes),
  ]
  for (const fill of fillings) {
    expect(stream.trySend(1, pattern(20, 1))).toBe("sent")
    expect(stream.write(1, 10, fill)).toBe("sent")
    for (const bytes of kept) new Uint8Array(bytes.buffer).fill(SECRET)
    expect(stream.trySend(1, pattern(20, 2))).toBe("sent")
    expect(stream.write(1, 10, (bytes, offset) => bytes.fill(3, offset, offset + 9))).toBe("sent")
    for (const bytes of kept) new Uint8Array(bytes.buffer).fill(SECRET)
    await network.until(stream.flush())
    const last = new Uint8Array(10).fill(3, 0, 9)
    expect(received.splice(0)).toEqual([pattern(20, 1), new Uint8Array(10), pattern(20, 2), last])
  }
  expect(() => stream.write(1, 10, transfer)).toThrow("the memory that a message is written in is lent")
  expect(stream.write(1, 10, (bytes, offset) => bytes.fill(4, offset))).toBe("sent")
  await network.until(stream.flush())
  expect(received).toEqual([new Uint8Array(10).fill(4)])
  hub.assertInvariants()
})

test("a view of the memory of a fill can be kept for the next one, of whatever size", async () => {
  const { network, toB, received } = await makeHub()
  const stream = toB.open()
  let view: DataView = new DataView(new ArrayBuffer(0))
  for (const size of [4, 16, 1_000, 4, 5_000, 64]) {
    stream.write(1, size, (bytes, offset) => {
      if (view.buffer !== bytes.buffer) view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      view.setUint32(offset + size - 4, size)
    })
  }
  await network.until(stream.flush())
  const told = received.map(({ buffer, length }) => new DataView(buffer).getUint32(length - 4))
  expect(told).toEqual(received.map(({ length }) => length))
})

test("a fill may write another message on another stream, and that one a third: each keeps its own", async () => {
  const { network, toB, received } = await makeHub()
  const streams = [toB.open(), toB.open(), toB.open()]
  const nested = (depth: number): unknown =>
    streams[depth]?.write(1, 100, (bytes, offset) => {
      bytes.fill(depth, offset, offset + 50)
      nested(depth + 1)
      bytes.fill(depth, offset + 50, offset + 100)
    })
  expect(nested(0)).toBe("sent")
  for (const stream of streams) await network.until(stream.flush())
  expect(received.toSorted((x, y) => x[0]! - y[0]!)).toEqual([0, 1, 2].map((depth) => new Uint8Array(100).fill(depth)))
})

const BROKEN: readonly [string, (bytes: Uint8Array) => unknown, string][] = [
  [
    "throws",
    () => {
      throw new Error("can't")
    },
    "can't",
  ],
  ["is async", () => Promise.reject(new Error("late")), "at once"],
  ["answers a thenable", () => new Thenable(), "at once"],
]

test.each(BROKEN)("a fill that %s sent nothing and changed nothing: older messages stay", async (_, fill, why) => {
  for (const delivery of ["reliable", "reliable-unordered", "best-effort", "latest", "fire-and-forget"] as const) {
    const { network, hub, toB, received } = await makeHub()
    const stream = toB.open({ delivery })
    stream.trySend(1, pattern(10, 1))
    for (const size of [10, 5_000]) {
      expect(() => stream.write(1, size, fill as never)).toThrow(why)
      const write = (_: number, bytes: Uint8Array): void => fill(bytes) as never
      const type = defineMessage<number>(1, { size: () => size, write, decode: () => 0 })
      expect(() => stream.trySend(type, 0)).toThrow(why)
      expect(() => stream.send(type, 0)).toThrow(why)
    }
    expect(stream.account).toMatchObject({ accepted: 1, dropped: 0 })
    await network.until(stream.flush())
    expect(stream.write(1, 10, (bytes, offset) => bytes.fill(2, offset, offset + 10))).toBe("sent")
    await network.until(stream.flush())
    await network.advance(20)
    expect([delivery, received]).toEqual([delivery, [pattern(10, 1), new Uint8Array(10).fill(2)]])
    await network.until(stream.end())
    await network.advance(2_000)
    expect(hub.sizes.sendPool).toBe(0)
  }
})

test("a fill is not called while the window is shut", async () => {
  const { network, toB } = await makePair(21, { delayMs: 5 }, { windowPackets: 8, parkedMessagesMax: 2 })
  const stream = toB.open()
  let calls = 0
  const fill = (): void => void calls++
  while (stream.trySend(1, pattern(1_000)) !== "refused");
  for (const size of [10, 1_000, 5_000]) expect(stream.write(1, size, fill)).toBe("refused")
  expect(calls).toBe(0)
  await network.until(stream.flush())
  expect([stream.write(1, 10, fill), calls]).toEqual(["sent", 1])
})

test("what a codec gives is its own again when it is called for the next message, also while some wait", async () => {
  const { network, b, toB } = await makePair(22, { delayMs: 5 }, { windowPackets: 8 })
  const received: number[] = []
  b.handle(1, (message) => {
    const bytes = message.copy()
    received.push(bytes.every((byte) => byte === bytes[0]) ? bytes[0]! : -1)
  })
  const shared = new Uint8Array(3_000)
  const reusing = defineMessage<number>(1, { encode: (value) => shared.fill(value), decode: (bytes) => bytes[0]! })
  const stream = toB.open()
  const results = new Set<unknown>()
  const sends: Promise<void>[] = []
  for (let i = 0; i < 20; i++) {
    if (i % 2 === 0) results.add(stream.trySend(reusing, i))
    else sends.push(stream.send(reusing, i))
  }
  await network.until(Promise.all(sends))
  await network.until(stream.flush())
  expect([received, results.has("parked")]).toEqual([Array.from({ length: 20 }, (_, i) => i), true])
})

const ASKED: readonly [string, (b: Endpoint) => unknown][] = [
  ["closes the endpoint", (b) => b.close()],
  ["joins the one who asks", (b) => b.join(`a:${PORT}`, { publicKey: publicKeyOf("a") }).catch(() => {})],
  ["joins another", (b) => b.join(`c:${PORT}`, { publicKey: publicKeyOf("c") }).catch(() => {})],
  ["connects", (b) => b.connect(`c:${PORT}`, { publicKey: publicKeyOf("c") }).stream({ label: "x" })],
  ["leaves everybody", (b) => b.peers.map((peer) => peer.leave())],
  ["opens a stream to everybody", (b) => b.peers.map((peer) => peer.open().trySend(1, pattern(3_000)))],
  ["takes another secret", (b) => b.setSecrets(["another secret, that nobody else knows"])],
  ["listens, and handles", (b) => [b.on("joined", () => {}), b.handle(9, () => {})()]],
]

test.each(ASKED)("trust that %s while it is asked harms nothing", async (_, act) => {
  const { network, member } = group(30)
  const a = await member("a", ["b"])
  const c = await member("c", ["b"])
  let asked = 0
  const trust = (): boolean => {
    if (++asked > 1) act(b)
    return true
  }
  const b: Endpoint = await member("b", [], { identity: { privateKey: keyOf("b"), trust } })
  await network.until(c.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))
  const joining = a.join(`b:${PORT}`, { publicKey: publicKeyOf("b"), timeoutMs: 2_000 }).then(
    () => "joined",
    (error: EndpointError) => error.code,
  )
  await network.advance(10_000)
  expect(asked).toBeGreaterThan(1)
  expect(["joined", "join-timeout", "join-refused"]).toContain(await joining)
  for (const endpoint of [a, b, c]) {
    endpoint.assertInvariants()
    await network.until(endpoint.close(), 30_000)
    expect(endpoint.sizes).toMatchObject({ peers: 0, slots: 0, joins: 0, halfOpen: 0, timers: 0 })
  }
})

const REFUSALS: readonly [string, () => unknown, string][] = [
  ["throws", FAILURES[0]![1], "trust threw: no"],
  ["rejects", FAILURES[1]![1], "not by a promise"],
  ["answers a thenable", FAILURES[2]![1], "not by a promise"],
  ["answers what throws when it is looked at", FAILURES[3]![1], "trust threw: no"],
  ["answers 1", () => 1, "not number"],
]

test.each(REFUSALS)("trust that %s has refused, and says so once for each try", async (_, trust, why) => {
  const { network, member } = group(31)
  const a = await member("a", ["b"])
  const identity = { privateKey: keyOf("b"), trust: trust as () => boolean }
  const b = await member("b", [], { identity })
  const errors: string[] = []
  b.on("error", ({ message }) => errors.push(message))
  await expect(network.until(a.join(`b:${PORT}`, { publicKey: publicKeyOf("b") }))).rejects.toMatchObject({
    code: "join-refused",
  })
  expect(errors.length).toBe(b.stats().drops["not-welcome"])
  for (const error of errors) expect(error).toContain(why)
  expect([b.peers.length, b.sizes.halfOpen]).toEqual([0, 0])
})

test("what a listener sends to another peer goes out at once", async () => {
  const { network, bind } = makeWorld(8)
  const { endpoint: a } = await bind("a")
  const { endpoint: b } = await bind("b")
  const { endpoint: c, host: hc } = await bind("c")
  const toB = await network.until(a.join(`b:${PORT}`))
  const toC = await network.until(a.join(`c:${PORT}`))
  await network.advance(100)
  const got: number[] = []
  b.handle(1, ({ length }) => got.push(length))
  const s = toB.open()
  await network.until(s.send(1, pattern(1)))
  await network.until(s.flush())
  a.on("unreachable", (p) => {
    if (p === toC) s.trySend(1, pattern(2))
  })
  hc.crash()
  await network.advance(15_000)
  expect(toC.state).toBe("unreachable")
  expect(got).toEqual([1, 2])
  void c
})
