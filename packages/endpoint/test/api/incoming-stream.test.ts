// What applications hold of an incoming stream: every call, in every order and twice, has its effect and settles alike.
import {
  type Endpoint,
  type IncomingStream,
  type OutgoingStream,
  type Peer,
  REASON,
  type ReceivedMessage,
  type StreamEnd,
} from "@x/endpoint"
import type { Network } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { makePair } from "../world.ts"

interface Flow {
  readonly network: Network
  readonly a: Endpoint
  readonly b: Endpoint
  readonly toB: Peer
  readonly out: OutgoingStream
  readonly incoming: IncomingStream
  /** Sends messages with consecutive numbers. */
  send(count: number): Promise<void>
}

/** A stream that `prepare` gets before anything arrives. */
async function flow(prepare: (stream: IncomingStream) => void = () => {}, options = {}): Promise<Flow> {
  const { network, a, b, toB } = await makePair(1, { delayMs: 5 }, options)
  let incoming: IncomingStream | undefined
  b.on("stream", (stream) => {
    incoming = stream
    prepare(stream)
  })
  const out = toB.open()
  await network.advance(20)
  let next = 0
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) out.trySend(1, Uint8Array.of(next++))
    await network.advance(20)
  }
  return { network, a, b, toB, out, incoming: incoming!, send }
}

/** The present state of a promise, without waiting. */
function outcome(promise: Promise<unknown>): { value: unknown } {
  const state = { value: undefined as unknown }
  promise.then(
    (value) => (state.value = value),
    (error: unknown) => (state.value = error),
  )
  return state
}

async function readAll(messages: AsyncIterable<ReceivedMessage>, into: number[], most = Infinity): Promise<void> {
  for await (const { bytes } of messages) if (into.push(bytes[0]!) >= most) break
}

test("what a reader leaves by `break` is the next one's, and so is what comes between them", async () => {
  const { network, b, out, incoming, send } = await flow((stream) => void stream.messages().return!())
  let unread = 0
  // Once a stream is read, its messages are no longer the endpoint's.
  b.handle(1, () => unread++)
  await send(3)
  const got: number[] = []
  await network.until(readAll(incoming.messages(), got, 1))
  await send(3)
  await network.until(readAll(incoming.messages(), got, 3))
  out.end().catch(() => {})
  await network.advance(50)
  const ended = outcome(incoming.closed)
  await network.advance(50)
  expect([got, ended.value, out.account.acknowledged]).toEqual([[0, 1, 2], undefined, 6])
  await network.until(readAll(incoming.messages(), got))
  expect(got).toEqual([0, 1, 2, 3, 4, 5])
  await network.advance(1)
  expect(ended.value).toMatchObject({ isComplete: true, gone: 0 })
  expect([unread, b.stats().unhandled, b.stats().queuedBytes, b.stats().streams]).toEqual([0, 0, 0, 0])
})

test("a stream that nobody reads any more holds up its sender, and a handler of its own takes over", async () => {
  const { network, b, out, incoming } = await flow((stream) => void stream.messages().return!(), {
    queuedMessagesMax: 8,
    windowPackets: 16,
  })
  for (let i = 0; i < 200; i++) out.trySend(1, new Uint8Array(1_000))
  await network.advance(5_000)
  expect([out.account.acknowledged, b.stats().queuedBytes]).toEqual([8, 8_000])
  let taken = 0
  incoming.handle(1, () => taken++)
  await network.until(out.end(), 10_000)
  expect(taken).toBe(200)
})

test("what a reader of a peer's type leaves waits in its stream for the next, for a handler, or for a handler of the stream", async () => {
  const { network, b, out, send } = await flow()
  const peer = b.peers[0]!
  const got: number[] = []
  const first = readAll(peer.messages(1), got, 1)
  await send(4)
  await network.until(first)
  expect([got, b.stats().queuedBytes]).toEqual([[0], 3])
  await network.until(readAll(peer.messages(1), got, 2))
  expect(got).toEqual([0, 1])
  const off = b.handle(1, ({ bytes }) => got.push(bytes[0]!))
  await network.advance(1)
  expect(got).toEqual([0, 1, 2, 3])
  off()
  await send(2)
  expect(got).toEqual([0, 1, 2, 3])
  await network.until(readAll(peer.messages(1), got, 6))
  expect(got).toEqual([0, 1, 2, 3, 4, 5])
  await network.until(out.end(), 1_000)
})

test("readers of a peer's types end when it has left, though something waits for a reader of another type", async () => {
  const { network, a, b, out, send } = await flow()
  const peer = b.peers[0]!
  void peer.messages(1).return!()
  const other: number[] = []
  const reading = readAll(peer.messages(2), other)
  out.trySend(2, Uint8Array.of(9))
  await send(2)
  await network.until(a.close())
  await network.until(reading, 1_000)
  expect(other).toEqual([9])
  const late: number[] = []
  await network.until(readAll(peer.messages(1), late))
  expect(late).toEqual([0, 1])
  expect(b.stats().queuedBytes).toBe(0)
})

test("two who read at once get each message both; one that goes leaves nothing out for the other", async () => {
  const { network, out, incoming, send } = await flow()
  const [one, two] = [incoming.messages(), incoming.messages()]
  const got: number[] = []
  await send(3)
  expect((await network.until(one.next())).value.bytes[0]).toBe(0)
  await network.advance(1)
  // The second message waits until both have had the first.
  const pending = outcome(one.next())
  await network.advance(1)
  expect(pending.value).toBeUndefined()
  await network.until(one.return!())
  expect(pending.value).toEqual({ value: undefined, done: true })
  out.end().catch(() => {})
  await network.until(readAll(two, got), 1_000)
  expect(got).toEqual([0, 1, 2])
})

test("who reads one type of a stream leaves the others to those who had them, and what it leaves of its own to the next one", async () => {
  const { network, b, out, incoming, send } = await flow()
  const handled: string[] = []
  for (const type of [1, 2]) b.handle(type, ({ view, offset }) => handled.push(`${type}: ${view.getUint8(offset)}`))
  const sendOther = async (n: number): Promise<void> => {
    out.trySend(2, Uint8Array.of(n))
    await network.advance(20)
  }
  const got: number[] = []
  const reading = readAll(incoming.messages(1), got, 2)
  await sendOther(10)
  await send(2)
  await network.until(reading)
  expect([handled, got]).toEqual([["2: 10"], [0, 1]])
  // Nothing reads it now: it waits, and so do later ones.
  await send(1)
  await sendOther(11)
  expect([handled.length, incoming.queued.messages]).toEqual([1, 2])
  await network.until(readAll(incoming.messages(1), got, 3))
  await network.advance(1)
  expect([handled, got]).toEqual([
    ["2: 10", "2: 11"],
    [0, 1, 2],
  ])
  // A reader of the whole stream gets them too.
  const [all, own] = [incoming.messages(), incoming.messages(1)]
  await send(1)
  await sendOther(12)
  const both = Promise.all([all.next(), own.next(), all.next()])
  expect((await network.until(both)).map(({ value }) => value.bytes[0])).toEqual([3, 3, 12])
  const waiting = Promise.all([all.next(), own.next()])
  await network.until(out.end())
  expect(await network.until(waiting)).toEqual([
    { value: undefined, done: true },
    { value: undefined, done: true },
  ])
  expect(handled.length).toBe(2)
})

test("a stream that is stopped takes what waits from those who read one type of it, too", async () => {
  const { network, b, incoming, send } = await flow()
  const reader = incoming.messages(1)
  await send(3)
  incoming.stop()
  expect(await network.until(reader.next())).toEqual({ value: undefined, done: true })
  expect([b.stats().queuedBytes, incoming.gone]).toEqual([0, 3])
})

test("an iterator ends once, however it is asked: next after the end, return twice, return with a pending next, throw", async () => {
  const { network, out, incoming, send } = await flow()
  const done = { value: undefined, done: true }
  const reader = incoming.messages()
  const pending = [reader.next(), reader.next()]
  expect(await network.until(reader.return!())).toEqual(done)
  expect(await network.until(Promise.all(pending))).toEqual([done, done])
  expect([await reader.next(), await reader.return!(), await reader.next()]).toEqual([done, done, done])
  const thrown = incoming.messages()
  const error = new Error("the reader's own")
  await send(2)
  expect(await network.until(outcomeOf(thrown.throw!(error)))).toBe(error)
  expect(await thrown.next()).toEqual(done)
  // Several calls wait for messages, in the order in which they asked.
  const order = incoming.messages()
  const asked = [order.next(), order.next(), order.next()]
  await send(1)
  expect((await network.until(Promise.all(asked))).map(({ value }) => value.bytes[0])).toEqual([0, 1, 2])
  out.end().catch(() => {})
  await network.advance(50)
  expect([await order.next(), await incoming.messages().next()]).toEqual([done, done])
})

function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => error,
  )
}

const CALLS: Record<string, (it: Flow) => unknown> = {
  stop: ({ incoming }) => incoming.stop(40_001),
  pause: ({ incoming }) => incoming.pause(),
  resume: ({ incoming }) => incoming.resume(),
  "read one": ({ incoming }) => incoming.messages().next(),
  "read and return": ({ incoming }) => incoming.messages().return!(),
  "read on": ({ incoming }) => void readAll(incoming.messages(), []),
  cancel: ({ incoming }) => incoming.readable.cancel().catch(() => {}),
  "handle and take it away": ({ incoming }) => incoming.handle(9, () => {})(),
  "the sender ends": ({ out }) => void out.end().catch(() => {}),
  "the sender resets": ({ out }) => out.reset(40_002),
  "the peer leaves": ({ toB }) => void toB.leave(),
  "leave the peer": ({ incoming }) => void incoming.peer.leave(),
}

test.each(Object.keys(CALLS))(
  "after %s any other call, and it again, settles `closed` once the stream is over and not wanted",
  async (before) => {
    for (const after of Object.keys(CALLS)) {
      for (const between of [0, 30]) {
        const it = await flow()
        const { network, b, incoming, send } = it
        const closed: StreamEnd[] = []
        void incoming.closed.then((end) => closed.push(end))
        await send(3)
        for (const name of [before, after, before]) {
          CALLS[name]!(it)
          if (between > 0) await network.advance(between)
        }
        await network.advance(200)
        const isStopped = [before, after].some((name) => name === "stop" || name === "cancel")
        if (isStopped) expect([before, after, between, closed.length]).toEqual([before, after, between, 1])
        incoming.stop()
        incoming.stop(REASON.aborted)
        it.out.reset()
        await network.advance(2_000)
        expect([before, after, closed.length]).toEqual([before, after, 1])
        expect([before, after, b.stats().queuedBytes, b.stats().streams]).toEqual([before, after, 0, 0])
        expect((await incoming.messages().next()).done).toBe(true)
        b.assertInvariants()
      }
    }
  },
)

test("`stop` after all came and wasn't read drops it, and says so", async () => {
  const { network, b, out, incoming, send } = await flow((stream) => stream.pause())
  await send(4)
  out.end().catch(() => {})
  await network.advance(50)
  incoming.stop(40_000)
  const end = await network.until(incoming.closed)
  expect(end).toEqual({ isComplete: false, reason: 40_000, gone: 4 })
  expect([b.stats().queuedBytes, b.stats().streams, out.state]).toEqual([0, 0, "closed"])
  incoming.resume()
  incoming.pause()
  await network.advance(50)
  expect(await incoming.closed).toEqual(end)
})

test("`stop` settles `closed` at once though a handler has a message; that counts until it is done", async () => {
  const { network, b, incoming, send } = await flow()
  let release = (): void => {}
  let handled = 0
  incoming.handleAsync(1, async () => {
    handled++
    await new Promise<void>((resolve) => (release = resolve))
  })
  await send(3)
  incoming.stop()
  await network.until(incoming.closed, 1)
  await network.advance(100)
  expect([handled, b.stats().queuedBytes, b.stats().streams]).toEqual([1, 1, 1])
  release()
  await network.advance(1)
  expect([handled, b.stats().queuedBytes, b.stats().streams]).toEqual([1, 0, 0])
})

test("a handler that is taken away while it runs finishes with its message; the next goes to whoever is there then", async () => {
  const { network, b, incoming, send } = await flow()
  const log: string[] = []
  let release = (): void => {}
  const off = incoming.handleAsync(1, async ({ bytes }) => {
    log.push(`own ${bytes[0]}`)
    await new Promise<void>((resolve) => (release = resolve))
  })
  b.handle(1, ({ bytes }) => log.push(`endpoint ${bytes[0]}`))
  await send(3)
  off()
  off()
  release()
  await network.advance(1)
  expect(log).toEqual(["own 0", "endpoint 1", "endpoint 2"])
})

test("`readable` can be cancelled before, while and after its stream ends, twice, and while somebody waits for a chunk", async () => {
  for (const state of ["open", "waiting", "unread", "over", "reset", "left"]) {
    const { network, a, b, out, incoming, send } = await flow((stream) => void stream.readable)
    const reader = incoming.readable.getReader()
    const pending = state === "waiting" ? outcome(reader.read()) : undefined
    if (state !== "waiting") await send(2)
    if (state === "unread" || state === "over") out.end().catch(() => {})
    if (state === "over") for (let i = 0; i < 3; i++) await network.until(reader.read())
    if (state === "reset") out.reset()
    if (state === "left") void a.close()
    await network.advance(50)
    await network.until(outcomeOf(reader.cancel()))
    await network.until(outcomeOf(reader.cancel()))
    await network.until(incoming.closed, 1_000)
    if (pending !== undefined) expect(pending.value).toEqual({ value: undefined, done: true })
    await network.advance(1_000)
    expect([state, b.stats().queuedBytes, b.stats().streams]).toEqual([state, 0, 0])
  }
})
