import {
  bytes,
  type Connection,
  defineMessage,
  Endpoint,
  fixed,
  type IncomingStream,
  lossBased,
  type NamedStream,
  type OutgoingStream,
  type Peer,
  secretsFrom,
  utf8,
} from "@x/endpoint"
import { Checks } from "@x/transport/check"
import type { Network } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { failureOf, takenBy } from "../../transport/test/bad-values.ts"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"

interface Scene {
  readonly network: Network
  readonly a: Endpoint
  readonly b: Endpoint
  readonly toB: Peer
  readonly stream: OutgoingStream
  readonly incoming: IncomingStream
  /** Nobody is there. */
  readonly connection: Connection
  readonly named: NamedStream
}

async function makeScene(): Promise<Scene> {
  const { network, a, b, toB } = await makePair(1)
  const incoming = new Promise<IncomingStream>((resolve) => void b.on("stream", resolve))
  const stream = toB.open()
  stream.trySend(1, Uint8Array.of(1))
  const connection = a.connect("b:9", { retry: { minMs: 1e6, maxMs: 1e6 } })
  const named = connection.stream({ label: "named" })
  await network.advance(50)
  return { network, a, b, toB, stream, incoming: await network.until(incoming), connection, named }
}

const BYTES = new Uint8Array(1)
const TIMEOUT = ["Infinity", "-0", "0", "1/2", "1", "2^31", "2^32"]
const RETRY = ["1", "2^31", "2^32"]
const LIFETIME = ["Infinity", "1/2", "1", "2^31", "2^32"]
const COUNT = ["-0", "0", "1", "2^31", "2^32"]
const BYTE = ["-0", "0", "1"]
const WEIGHT = ["1"]
const TEXT = ['"500"', '""']
const RATE = ["Infinity", "2^31", "2^32"]
const LIMIT = { sendRateBytesPerSecondMax: RATE, receiveRateBytesPerSecondMax: RATE }
const OPEN = {
  delivery: [],
  label: TEXT,
  priority: BYTE,
  weight: WEIGHT,
  lifetimeMs: LIFETIME,
  resendsMax: ["Infinity", ...COUNT],
  copies: BYTE,
  copySpreadMs: BYTE,
}

/** Each stream of a connection has its own. */
let labels = 0

type Options = Readonly<Record<string, readonly string[]>>

/** Valid options of each call. */
const OPTIONS: readonly (readonly [string, (scene: Scene, options: never) => unknown, Options])[] = [
  ["join", ({ a }, options) => a.join(`b:${PORT}`, options), { signal: [], publicKey: [], timeoutMs: TIMEOUT }],
  ["connect", ({ a }, options) => a.connect(`b:${PORT}`, options), { publicKey: [], retry: ["an object"] }],
  ["retry", ({ a }, retry) => a.connect(`b:${PORT}`, { retry }), { minMs: RETRY, maxMs: ["2^31", "2^32"] }],
  ["the stream", ({ toB }, options: object) => toB.open({ delivery: "best-effort", ...options }), OPEN],
  [
    "the stream",
    ({ connection }, options: object) =>
      connection.stream({ label: `${++labels}`, delivery: "best-effort", ...options }),
    OPEN,
  ],
  ["setShare", ({ toB }, options) => toB.setShare(options), { priority: BYTE, weight: WEIGHT }],
  ["limit", ({ toB }, options) => toB.limit(options), LIMIT],
  ["limit", ({ a }, options) => a.limit(options), LIMIT],
  ["ping", ({ toB }, options) => toB.ping(options), { signal: [], timeoutMs: TIMEOUT }],
  [
    "send",
    ({ stream }, options) => stream.send(1, BYTES, options),
    { signal: [], timeoutMs: TIMEOUT, receipt: ["true"] },
  ],
  [
    "trySend",
    ({ stream }, options) => stream.trySend(1, BYTES.slice(), options),
    { timeoutMs: TIMEOUT, transfer: ["true"] },
  ],
  [
    "trySend",
    ({ named }, options) => named.trySend(1, BYTES.slice(), options),
    { timeoutMs: TIMEOUT, transfer: ["true"] },
  ],
  ["writable", ({ stream }, options) => stream.writable(1, options), { signal: [] }],
  ["fixed", (_, options) => fixed(options), { windowBytes: ["Infinity", ...RETRY], paceBytesPerMs: LIFETIME }],
  [
    "lossBased",
    (_, options: object) => lossBased({ leastDatagrams: 1, ...options }),
    { initialDatagrams: ["1"], leastDatagrams: ["1"], windowBytesMax: ["Infinity", ...RETRY] },
  ],
]

const TYPE = BYTE
const REASON = BYTE
const FUNCTION = ["a function"]
const RANGE = { name: "RangeError" }
const CLASS = { name: "TypeError" }
const OPTION = { name: "EndpointError", code: "invalid-option" }
const TARGET = { name: "EndpointError", code: "invalid-target" }
const on = <T>(it: T): T => it

/** Valid values of other arguments, and the errors for invalid ones. */
const ARGUMENTS: readonly (readonly [string, (scene: Scene, value: never) => unknown, readonly string[], object])[] = [
  ["the type of endpoint.handle", ({ a }, type) => a.handle(type, () => {}), TYPE, RANGE],
  ["the type of endpoint.handleAsync", ({ a }, type) => a.handleAsync(type, async () => {}), TYPE, RANGE],
  ["the type of incoming.handle", ({ incoming }, type) => incoming.handle(type, () => {}), TYPE, RANGE],
  ["the type of defineMessage", (_, type) => defineMessage(type, utf8), TYPE, RANGE],
  ["the type of peer.messages", ({ toB }, type) => toB.messages(type), TYPE, RANGE],
  ["the type of trySend", ({ stream }, type) => stream.trySend(type, BYTES), TYPE, RANGE],
  ["the type of send", ({ stream }, type) => stream.send(type, BYTES), TYPE, RANGE],
  ["the type of write", ({ stream }, type) => stream.write(type, 1, (bytes, at) => (bytes[at] = 1)), TYPE, RANGE],
  ["the type of writable", ({ stream }, type) => stream.writable(type), TYPE, RANGE],
  ["the type of named.trySend", ({ named }, type) => named.trySend(type, BYTES), TYPE, RANGE],
  ["the size of write", ({ stream }, size) => stream.write(1, size, (bytes, at) => bytes.fill(1, at)), COUNT, RANGE],
  ["fill of write", ({ stream }, fill) => stream.write(1, 0, fill), FUNCTION, CLASS],
  ["the bytes of trySend", ({ stream }, bytes) => stream.trySend(1, bytes), [], CLASS],
  ["the bytes of send", ({ stream }, bytes) => stream.send(1, bytes), [], CLASS],
  ["the bytes of named.trySend", ({ named }, bytes) => named.trySend(1, bytes), [], CLASS],
  ["the handler of handle", ({ a }, handler) => a.handle(5, handler), FUNCTION, CLASS],
  [
    "what a codec's encode returns",
    ({ stream }, bytes) => stream.trySend(defineMessage(1, { encode: () => bytes, decode: on }), 0),
    [],
    CLASS,
  ],
  [
    "what a codec's encode returns, parked",
    ({ stream }, bytes) => stream.send(defineMessage(1, { encode: () => bytes, decode: on }), 0),
    [],
    CLASS,
  ],
  [
    "a codec's size",
    ({ stream }, size) => stream.trySend(defineMessage(1, { size: () => size, write: () => {}, decode: on }), 0),
    COUNT,
    RANGE,
  ],
  ["the value of bytes", ({ stream }, value) => stream.trySend(defineMessage(1, bytes), value), [], OPTION],
  ["the codec of defineMessage", (_, codec) => defineMessage(1, codec), [], CLASS],
  ["the listener of endpoint.on", ({ a }, listener) => a.on("joined", listener), FUNCTION, CLASS],
  ["the listener of stream.on", ({ stream }, listener) => stream.on("drain", listener), FUNCTION, CLASS],
  ["the event of endpoint.on", ({ a }, name) => a.on(name, on), [], RANGE],
  ["the reason of leave", ({ b }, reason) => b.peers[0]!.leave(reason), REASON, OPTION],
  ["the text of leave", ({ b }, text) => b.peers[0]!.leave(1, text), TEXT, OPTION],
  ["the reason of reset", ({ stream }, reason) => stream.reset(reason), REASON, OPTION],
  ["the reason of stop", ({ incoming }, reason) => incoming.stop(reason), REASON, OPTION],
  ["lingerMs of connection.close", ({ connection }, lingerMs) => connection.close(lingerMs), TIMEOUT, OPTION],
  ["the target of join", ({ a }, target) => a.join(target), [], TARGET],
  ["the target of connect", ({ a }, target) => a.connect(target), [], TARGET],
  ["the port of a target", ({ a }, port) => a.connect({ host: "b", port }), ["1"], TARGET],
  [
    "the host of a target",
    ({ a }, host) => a.connect({ host: host === "500" ? "five-hundred" : host, port: 1 }),
    ['"500"'],
    TARGET,
  ],
  ["the text of secretsFrom", (_, text) => secretsFrom(text), [], OPTION],
  ["the secrets of setSecrets", ({ a }, secrets) => a.setSecrets(secrets), [], OPTION],
]

/** The names of a call's options, as its check has them. */
async function namesOf(call: () => unknown, of: string): Promise<readonly string[]> {
  const { options } = Checks.prototype
  const seen = new Map<string, readonly string[]>()
  Checks.prototype.options = function <T extends object>(this: Checks, ...args: Parameters<Checks["options"]>): T {
    seen.set(args[0], Object.keys(args[2]))
    return Reflect.apply(options, this, args) as T
  }
  try {
    await failureOf(call)
  } finally {
    Checks.prototype.options = options
  }
  return seen.get(of) ?? []
}

test.each(OPTIONS)("%s takes of its options what is right, and has no others", async (of, call, right) => {
  const scene = await makeScene()
  const names = await namesOf(() => call(scene, { timeoutMs: "to be looked at" } as never), of)
  expect(names.toSorted()).toEqual(Object.keys(right).toSorted())
  for (const [name, values] of Object.entries(right)) {
    // Each on a scene of its own: an accepted call may change it.
    let given = scene
    const renew = async (): Promise<void> => void (given = await makeScene())
    expect({ [name]: await takenBy((value) => call(given, { [name]: value } as never), OPTION, renew) }).toEqual({
      [name]: values,
    })
  }
})

test.each(OPTIONS)("%s refuses a misspelt option, and names the right one", async (_, call, right) => {
  const scene = await makeScene()
  for (const name of Object.keys(right)) {
    for (const misspelt of [name.toUpperCase(), `${name}x`, name.slice(0, -1)]) {
      const failure = (await failureOf(() => call(scene, { [misspelt]: undefined } as never))) as Error
      expect(failure).toMatchObject(OPTION)
      expect(failure.message).toMatch(
        new RegExp(`^there is no option "${misspelt}" of .*; did you mean \\w+\\? There are `),
      )
    }
  }
})

test.each(OPTIONS)("%s refuses an option that is like none, and names those that there are", async (_, call) => {
  const scene = await makeScene()
  const failure = (await failureOf(() => call(scene, { zzzzzzzzzzzz: 1 } as never))) as Error
  expect(failure).toMatchObject(OPTION)
  expect(failure.message).toMatch(/^there is no option "zzzzzzzzzzzz" of [^.;]*\. There are /)
})

test.each(ARGUMENTS)("%s: what can't be right is refused", async (_, call, right, failure) => {
  let scene = await makeScene()
  const renew = async (): Promise<void> => void (scene = await makeScene())
  expect(await takenBy((value) => call(scene, value as never), failure, renew)).toEqual(right)
})

test("what is refused has changed nothing: accounts, counters and each byte on the network are as if nobody had asked", async () => {
  const run = async (asks: boolean): Promise<string> => {
    const scene = await makeScene()
    const { network, a, b, toB, stream, incoming, named } = scene
    const seen = (): string =>
      JSON.stringify([
        a.stats(),
        b.stats(),
        toB.stats(),
        stream.account,
        stream.state,
        incoming.queued,
        named.state,
        a.sizes,
      ])
    const before = seen()
    const calls = [
      ...OPTIONS.flatMap(([, call, right]) =>
        Object.keys(right).map((name) => (value: unknown) => call(scene, { [name]: value } as never)),
      ),
      ...ARGUMENTS.map(
        ([, call]) =>
          (value: unknown) =>
            call(scene, value as never),
      ),
    ]
    for (const call of asks ? calls : []) {
      for (const value of [Number.NaN, -1, 5n, null]) {
        expect(await failureOf(() => call(value))).toBeInstanceOf(Error)
      }
    }
    expect(seen()).toBe(before)
    await network.advance(3_000)
    return `${network.traceHash} ${seen()}`
  }
  expect(await run(true)).toBe(await run(false))
})

test("a wait of 2^31 ms, of 2^53 − 1 and for ever waits; one of none ends at once", async () => {
  const { network, a, toB } = await makePair(2)
  network.partition("a", "b")
  const settled: number[] = []
  for (const timeoutMs of [2 ** 31, Number.MAX_SAFE_INTEGER, Infinity, 0, -0]) {
    const settle = (): void => void settled.push(timeoutMs)
    void a.join(`b:${PORT}`, { timeoutMs }).then(settle, settle)
    void toB.ping({ timeoutMs }).then(settle, settle)
  }
  await network.advance(9_000)
  expect(settled.map(Math.abs)).toEqual([0, 0, 0, 0])
  await network.advance(70_000)
  expect(toB.state).toBe("left")
  await network.until(a.close())
})

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
