import { Endpoint } from "@x/endpoint"
import { createNetwork } from "@x/transport/simulated"
import type { Host, SendBatch, Transport } from "@x/transport/host"
import fc from "fast-check"
import { expect, test } from "vitest"
import { pattern } from "./world.ts"
import { runs } from "../../../tools/runs.ts"

/** A host whose socket takes as many datagrams as `room` says, then none until it is writable again. */
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
