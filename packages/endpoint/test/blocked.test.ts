import { Endpoint, type EndpointError } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"
import type { Host, SendBatch, Transport } from "@x/transport/host"
import fc from "fast-check"
import { expect, test } from "vitest"
import { makePair, makeWorld, pattern, PORT } from "./world.ts"
import { runs } from "../../../tools/testkit/src/runs.ts"

/** A host whose socket accepts as many datagrams as `room` returns, then none until it is writable again. */
function withFullSocket(host: Host, room: () => number): { host: Host; writable: () => void } {
  let wake = (): void => {}
  const decorated = new Proxy(host, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (name !== "bind") return typeof value === "function" ? value.bind(target) : value
      return async (options: Parameters<Host["bind"]>[0]): Promise<Transport> =>
        new Proxy(await target.bind(options), {
          get(transport, name) {
            if (name === "onWritable") return (writable: () => void): void => void (wake = writable)
            if (name === "send") {
              return (batch: SendBatch): number => {
                const { count } = batch
                batch.count = Math.min(count, room())
                const taken = transport.send(batch)
                batch.count = count
                return taken
              }
            }
            const value: unknown = Reflect.get(transport, name)
            return typeof value === "function" ? value.bind(transport) : value
          },
        })
    },
  })
  return { host: decorated, writable: () => wake() }
}

test("a socket that takes datagrams as it likes loses and alters none of them", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.infiniteStream(fc.integer({ min: 0, max: 5 })),
      fc.array(fc.integer({ min: 0, max: 6_000 }), { minLength: 1, maxLength: 40 }),
      async (seed, rooms, lengths) => {
        const network = createNetwork({ seed, link: { delayMs: 2 } })
        const { host, writable } = withFullSocket(network.host("a"), () => rooms.next().value as number)
        const a = await network.until(Endpoint.bind({ host, port: 1 }))
        const b = await network.until(Endpoint.bind({ host: network.host("b"), port: 1 }))
        const received: Uint8Array[] = []
        b.handle(1, (message) => received.push(message.copy()))
        const joining = a.join("b:1")
        const drive = async <T>(promise: Promise<T>): Promise<T> => {
          const state = { isSettled: false }
          const done = (): void => void (state.isSettled = true)
          promise.then(done, done)
          for (let i = 0; i < 60_000 && !state.isSettled; i++) {
            writable()
            await network.advance(1)
          }
          expect(state.isSettled).toBe(true)
          return promise
        }
        const peer = await drive(joining)
        const streams = Array.from({ length: 5 }, (_, i) => peer.open({ label: "x".repeat(200 * i) }))
        for (const [i, length] of lengths.entries()) streams[i % 5]!.trySend(1, pattern(length, i))
        await drive(Promise.all(streams.map((stream) => stream.end())))
        expect(received.length).toBe(lengths.length)
        for (const [i, length] of lengths.entries())
          expect(received.some((bytes) => Buffer.compare(bytes, pattern(length, i)) === 0)).toBe(true)
        expect(b.stats().drops.tag).toBe(0)
      },
    ),
    { numRuns: runs(30) },
  )
})

test("a socket that takes nothing holds up no time limit and no abort: of what is parked, of a receipt, of a flush, of a ping, of a join", async () => {
  const { network, a, b, hostA, toB } = await makePair(1, { delayMs: 5 }, { windowPackets: 4 })
  b.handle(1, () => {})
  const [stream, other] = [toB.open(), toB.open()]
  await network.advance(1_000)
  hostA.failSends("full")
  const aborting = new AbortController()
  const limits = { timeoutMs: 200 }
  const codes: string[] = []
  const calls: [string, Promise<unknown>][] = [
    ["receipt", other.send(1, pattern(10), { ...limits, receipt: true })],
    ["sent", stream.send(1, pattern(4_000))],
    ["parked", stream.send(1, pattern(4_000), limits)],
    ["aborted", stream.send(1, pattern(4_000), { signal: aborting.signal })],
    ["flush", stream.flush(limits)],
    ["ping", toB.ping(limits)],
    ["join", a.join("b:9", limits)],
  ]
  for (const [name, call] of calls)
    call.then(
      () => codes.push(`${name} done`),
      ({ code }: EndpointError) => codes.push(`${name} ${code}`),
    )
  await network.advance(199)
  expect(codes).toEqual(["sent done"])
  aborting.abort()
  await network.advance(2)
  expect(codes.slice(1).toSorted()).toEqual([
    "aborted aborted",
    "flush timeout",
    "join join-timeout",
    "parked timeout",
    "ping timeout",
    "receipt timeout",
  ])
  hostA.failSends(undefined)
  await network.until(stream.end())
  expect(stream.account).toMatchObject({ accepted: 3, acknowledged: 1, unconfirmed: 0, dropped: 2 })
  expect(codes.length).toBe(calls.length)
})

test("nor one that begins while the socket takes nothing already, and nothing comes either", async () => {
  const { network, a, hostA, toB } = await makePair(1, { delayMs: 5 })
  const stream = toB.open()
  await network.advance(1_000)
  hostA.failSends("full")
  network.partition("a", "b")
  void stream.send(1, pattern(10), { receipt: true, timeoutMs: 3_000 }).catch(() => {})
  await network.advance(300)
  let code: string | undefined
  stream.send(1, pattern(10), { receipt: true, timeoutMs: 200 }).catch((error: EndpointError) => (code = error.code))
  await network.advance(199)
  expect(code).toBe(undefined)
  await network.advance(2)
  expect(code).toBe("timeout")
  await network.until(a.close())
})

test("a socket that was full while a peer was forgotten takes the next datagrams", async () => {
  const { network, a, b, hostA, toB } = await makePair(73)
  const leaving = toB.leave()
  hostA.stall(1_500)
  hostA.failSends("full")
  await network.advance(3_000)
  expect(a.sizes.peers).toBe(0)
  hostA.failSends(undefined)
  await network.advance(1_000)
  await network.until(leaving)
  await network.until(a.join(`b:${PORT}`))
  void b
})

test("a join while the socket is full goes on when it takes again", async () => {
  const { network, bind } = makeWorld(1)
  const { endpoint: a, host } = await bind("a")
  await bind("b")
  host.failSends("full")
  const j = a.join(`b:${PORT}`)
  j.catch(() => {})
  await network.advance(1000)
  host.failSends(undefined)
  await network.until(j)
})
