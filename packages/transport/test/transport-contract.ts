/** The contract of every host and its transports, real or simulated. */

import { createCipheriv, createHmac } from "node:crypto"
import { type BindOptions, createSendBatch, type Host, type Sealer, TransportError } from "@x/transport"
import fc from "fast-check"
import { afterEach, beforeEach, describe, expect, test } from "vitest"
import { pattern, Station } from "./station.ts"

export interface ContractWorld {
  /** Two hosts that reach each other without loss, and the options to bind them with. */
  readonly a: Host
  readonly b: Host
  readonly bindOptions: BindOptions
  /** A name that both hosts can resolve to an address. */
  readonly knownName: string
  /** Lets time pass until a promise settles. */
  until<T>(promise: Promise<T>): Promise<T>
  /** Blocks the program of a host: datagrams that come meanwhile wait. */
  stall(host: Host, ms: number): void
  /** The longest datagram that arrives, by family. */
  readonly datagramBytesMax: Readonly<Record<4 | 6, number>>
  /** Runs until the body is done, and returns the errors of the program's functions that surfaced. */
  surfaced(body: () => Promise<void>): Promise<unknown[]>
}

/** `missing`: why there is no such world here. */
export function describeTransportContract(name: string, makeWorld: () => ContractWorld, missing?: string): void {
  describe(name, () => {
    const open: Station[] = []
    let world: ContractWorld

    beforeEach((ctx) => {
      if (missing !== undefined) ctx.skip(missing)
    })
    const bind = async (host: Host, options: BindOptions = {}): Promise<Station> => {
      const station = await world.until(Station.bind(host, { ...world.bindOptions, ...options }))
      open.push(station)
      return station
    }
    const pair = async (): Promise<[Station, Station]> => {
      world = makeWorld()
      return [await bind(world.a), await bind(world.b)]
    }
    afterEach(async () => {
      for (const { transport } of open.splice(0)) await world.until(transport.close())
    })

    describe.each([4, 6] as const)("over v%i", (family) => {
      test("datagrams of all sizes arrive as they were, with their source", async () => {
        const [a, b] = await pair()
        const longest = world.datagramBytesMax[family]
        for (const [i, length] of [
          0,
          1,
          2,
          7,
          8,
          9,
          255,
          256,
          1_200,
          1_473,
          9_000,
          32_768,
          longest - 1,
          longest,
        ].entries()) {
          expect(a.send(b.addressOf(family), [pattern(length, i)])).toBe(1)
          await world.until(b.arrived(i + 1))
          expect(b.received[i]!.bytes).toEqual(pattern(length, i))
          expect(b.received[i]!.from).toEqual(a.addressOf(family))
        }
      })

      test("datagrams arrive in the order of the batch, none of them opened", async () => {
        const [a, b] = await pair()
        const datagrams = Array.from({ length: 100 }, (_, i) => pattern(100 + i, i))
        expect(a.send(b.addressOf(family), datagrams)).toBe(100)
        await world.until(b.arrived(100))
        expect(b.received.map(({ bytes }) => bytes)).toEqual(datagrams)
        expect(b.received.every(({ opener, verdict }) => opener === 0 && verdict === 0)).toBe(true)
      })

      test("marks arrive as they were sent, where both can; otherwise none does, and none is told", async () => {
        const [a, b] = await pair()
        const marks = [2, 0, 3, 1, 2, 2, 0]
        for (const [i, ecn] of marks.entries()) a.send(b.addressOf(family), [pattern(100, i)], 0, ecn)
        a.send(
          b.addressOf(family),
          Array.from({ length: 60 }, (_, i) => pattern(1_000, i)),
          0,
          2,
        )
        await world.until(b.arrived(marks.length + 60))
        const hasMarks = a.transport.capabilities.ecn && b.transport.capabilities.ecn
        const sent = [...marks, ...Array.from({ length: 60 }, () => 2)]
        expect(b.received.map(({ ecn }) => ecn)).toEqual(hasMarks ? sent : sent.map(() => 0))
      })

      test("datagrams that are sent together arrive in batches of many", async () => {
        const [a, b] = await pair()
        const sizes: number[] = []
        const all = new Promise<void>((resolve) => {
          b.transport.onReceive(({ count }) => {
            sizes.push(count)
            if (sizes.reduce((total, size) => total + size) === 100) resolve()
          })
        })
        a.send(
          b.addressOf(family),
          Array.from({ length: 100 }, () => pattern(100)),
        )
        await world.until(all)
        expect(sizes.length).toBeLessThan(20)
      })

      test("the bytes of a batch are the sender's again when send returns", async () => {
        const [a, b] = await pair()
        const datagrams = [pattern(1_000, 1), pattern(1_000, 2)]
        a.send(b.addressOf(family), datagrams)
        a.slab.fill(0xee)
        await world.until(b.arrived(2))
        expect(b.received.map(({ bytes }) => bytes)).toEqual(datagrams)
      })

      test("an answer may be sent while a batch is received", async () => {
        const [a, b] = await pair()
        const echo = (station: Station): void =>
          station.transport.onReceive((batch) => {
            station.received.push(...Array.from({ length: batch.count }, () => undefined as never))
            const bytes = batch.slabs[batch.slab[0]!]!.slice(batch.offset[0], batch.offset[0]! + batch.length[0]!)
            if (bytes[0] === 100) return done()
            bytes[0]!++
            station.send(station.transport.addressOf(batch.address[0]!), [bytes])
          })
        let done = (): void => {}
        const finished = new Promise<void>((resolve) => (done = resolve))
        echo(a)
        echo(b)
        a.send(b.addressOf(family), [Uint8Array.of(0)])
        await world.until(finished)
        expect([a.received.length, b.received.length]).toEqual([50, 51])
      })

      test("the id of a source is the id of its address", async () => {
        const [a, b] = await pair()
        const id = b.transport.internAddress(a.addressOf(family))
        a.send(b.addressOf(family), [pattern(1)])
        await world.until(b.arrived(1))
        expect(b.received[0]!.address).toBe(id)
        expect(id).toBeGreaterThanOrEqual(1)
      })

      test("a datagram longer than any fails with EMSGSIZE, its address and length, and those behind it go out", async () => {
        const [a, b] = await pair()
        expect(a.send(b.addressOf(family), [pattern(65_508), pattern(5)])).toBe(2)
        await world.until(b.arrived(1))
        expect(b.received[0]!.bytes).toEqual(pattern(5))
        expect(a.errors.map(({ code, operation, bytes }) => ({ code, operation, bytes }))).toEqual([
          { code: "EMSGSIZE", operation: "send", bytes: 65_508 },
        ])
        expect(a.transport.counters.errors.EMSGSIZE).toBe(1)
      })

      test("a host with one family sends nothing to the other, and counts it", async () => {
        world = makeWorld()
        const other = family === 4 ? 6 : 4
        const a = await bind(world.a, family === 4 ? { v6: false } : { v4: false })
        const b = await bind(world.b)
        expect(a.transport.capabilities.families).toEqual([family])
        expect(a.transport.localAddresses.map((address) => address.family)).toEqual([family])
        expect(a.send(b.addressOf(other), [pattern(5)])).toBe(1)
        expect(a.send(b.addressOf(family), [pattern(6)])).toBe(1)
        await world.until(b.arrived(1))
        expect(b.received.map(({ bytes }) => bytes.length)).toEqual([6])
        expect(a.transport.counters.datagramsUnsendable).toBe(1)
        expect(a.transport.counters.datagramsSent).toBe(1)
      })
    })

    test("both families share a port, and one transport talks over both at once", async () => {
      const [a, b] = await pair()
      expect(b.addressOf(4).port).toBe(b.addressOf(6).port)
      a.send(b.addressOf(4), [pattern(4)])
      a.send(b.addressOf(6), [pattern(6)])
      await world.until(b.arrived(2))
      expect(b.received.every(({ from, bytes }) => bytes.length === from.family)).toBe(true)
    })

    test("a transport of both families talks to a machine of v4 only and to one of v6 only", async () => {
      world = makeWorld()
      const [both, old, modern] = [
        await bind(world.a),
        await bind(world.b, { v6: false }),
        await bind(world.b, { v4: false }),
      ]
      both.send(old.addressOf(4), [pattern(4)])
      both.send(modern.addressOf(6), [pattern(6)])
      old.send(both.addressOf(4), [pattern(44)])
      modern.send(both.addressOf(6), [pattern(66)])
      await world.until(Promise.all([both.arrived(2), old.arrived(1), modern.arrived(1)]))
      expect(
        both.received
          .map(({ bytes, from }) => `${bytes.length} over v${from.family}`)
          .toSorted((x, y) => x.localeCompare(y)),
      ).toEqual(["44 over v4", "66 over v6"])
      expect([old.received[0]!.bytes.length, modern.received[0]!.bytes.length]).toEqual([4, 6])
    })

    test("a mapped address reaches the v4 socket, and is answered as v4", async () => {
      const [a, b] = await pair()
      const { host, port } = b.addressOf(4)
      a.send({ family: 6, host: `::ffff:${host}`, port }, [pattern(4)])
      await world.until(b.arrived(1))
      expect(b.received[0]!.from).toEqual(a.addressOf(4))
    })

    test("that nobody listens there is no error, and what follows arrives", async () => {
      const [a, b] = await pair()
      const gone = await bind(world.b)
      const away = [gone.addressOf(4), gone.addressOf(6)]
      await world.until(gone.transport.close())
      for (const address of away) a.send(address, [pattern(1)])
      a.send(b.addressOf(4), [pattern(2)])
      await world.until(b.arrived(1))
      expect(b.received[0]!.bytes).toEqual(pattern(2))
      expect(a.errors).toEqual([])
    })

    test("over other sockets all goes on: slabs, addresses, sealers, functions and counters", async () => {
      const [a, b] = await pair()
      const sealer = a.transport.registerSealer(SUM)
      const before = a.addressOf(4)
      a.send(b.addressOf(4), [pattern(1)], sealer)
      await world.until(b.arrived(1))
      const id = a.transport.internAddress(b.addressOf(4))
      await world.until(a.transport.rebind!())
      const after = a.addressOf(4)
      expect(after.port).not.toBe(before.port)
      expect(a.transport.localAddresses.map(({ port }) => port)).toEqual([after.port, after.port])
      expect(a.transport.addressOf(id)).toEqual(b.addressOf(4))
      a.send(b.addressOf(4), [pattern(20)], sealer)
      await world.until(b.arrived(2))
      expect(b.received.map(({ from }) => from)).toEqual([before, after])
      expect(b.received[1]!.bytes).toEqual(Uint8Array.of(...pattern(20), sum(pattern(20))))
      // What goes to the sockets before is lost.
      b.send(before, [pattern(3)])
      b.send(after, [pattern(4)])
      await world.until(a.arrived(1))
      expect(a.received.map(({ bytes, address }) => [bytes, address])).toEqual([[pattern(4), id]])
      expect(a.transport.counters).toMatchObject({ datagramsSent: 2, datagramsReceived: 1 })
    })

    test("a port that was asked for stays, and so do other sockets once they were asked for", async () => {
      const [a, b] = await pair()
      const { port } = a.addressOf(4)
      await world.until(a.transport.rebind!({ port }))
      await world.until(a.transport.rebind!())
      expect(a.transport.localAddresses.map((address) => address.port)).toEqual([port, port])
      await world.until(a.transport.rebind!({ v6: false }))
      expect(a.transport.capabilities.families).toEqual([4])
      a.send(b.addressOf(4), [pattern(1)])
      await world.until(b.arrived(1))
      expect(b.received[0]!.from).toEqual({ ...a.addressOf(4), port })
    })

    test("where no other socket can be had, the ones before go on", async () => {
      const [a, b] = await pair()
      await expect(world.until(a.transport.rebind!({ v4: false, v6: false }))).rejects.toMatchObject({
        code: "no-family",
      })
      a.send(b.addressOf(4), [pattern(1)])
      await world.until(b.arrived(1))
      expect(b.received[0]!.from).toEqual(a.addressOf(4))
    })

    test("ids that nobody gave and rows that reach out of their slab throw, and nothing is sent", async () => {
      const [{ transport }, b] = await pair()
      const slab = transport.registerSlab(new Uint8Array(100))
      const sealer = transport.registerSealer(SUM)
      const address = transport.internAddress(b.addressOf(4))
      const good = { slab, offset: 0, length: 10, address, sealer: 0 }
      const wrong: Partial<typeof good>[] = [
        { slab: slab + 1 },
        { slab: 0 },
        { address: address + 1 },
        { address: 0 },
        { sealer: sealer + 1 },
        { offset: -1 },
        { length: -1 },
        { offset: 91 },
        { length: 101 },
        { offset: 90, sealer },
      ]
      for (const columns of wrong) {
        const batch = createSendBatch(1)
        batch.count = 1
        for (const [column, value] of Object.entries({ ...good, ...columns }))
          batch[column as keyof typeof good][0] = value
        expect(() => transport.send(batch)).toThrow(RangeError)
      }
      expect(transport.counters).toMatchObject({ datagramsSent: 0, bytesSent: 0 })
    })

    test("the ids of slabs and sealers that were released are given again, those in use are not", async () => {
      const [{ transport }] = await pair()
      const [first, second] = [transport.registerSlab(new Uint8Array(1)), transport.registerSlab(new Uint8Array(1))]
      transport.releaseSlab(first)
      expect(() => transport.releaseSlab(first)).toThrow(RangeError)
      expect(transport.registerSlab(new Uint8Array(1))).toBe(first)
      expect(transport.registerSlab(new Uint8Array(1))).not.toBe(second)
      const sealer = transport.registerSealer(SUM)
      transport.releaseSealer(sealer)
      expect(transport.registerSealer(SUM)).toBe(sealer)
      expect(transport.registerSealer(SUM)).not.toBe(sealer)
    })

    test("a receive function that throws loses no later batch, and its error surfaces once", async () => {
      const [a, b] = await pair()
      const got: number[] = []
      let calls = 0
      let done = (): void => {}
      const all = new Promise<void>((resolve) => (done = resolve))
      b.transport.onReceive((batch) => {
        for (let row = 0; row < batch.count; row++) got.push(batch.length[row]!)
        if (got.length === 100) done()
        if (++calls === 1) throw new Error("the program's own")
      })
      const errors = await world.surfaced(async () => {
        a.send(
          b.addressOf(4),
          Array.from({ length: 100 }, (_, i) => pattern(i)),
        )
        await world.until(all)
      })
      expect(got).toEqual(Array.from({ length: 100 }, (_, i) => i))
      expect(errors.map((error) => (error as Error).message)).toEqual(["the program's own"])
    })

    test("an error function that throws, or sends, harms no row of the batch that failed", async () => {
      const [a, b] = await pair()
      let isFirst = true
      a.transport.onError(() => {
        if (!isFirst) throw new Error("the program's own")
        isFirst = false
        const batch = createSendBatch(2)
        const slab = a.transport.registerSlab(pattern(50))
        const address = a.transport.internAddress(b.addressOf(4))
        for (const row of [0, 1]) {
          batch.slab[row] = slab
          batch.length[row] = 50
          batch.address[row] = address
        }
        batch.count = 2
        a.transport.send(batch)
      })
      const errors = await world.surfaced(async () => {
        a.send(b.addressOf(4), [pattern(4)])
        a.send(b.addressOf(4), [pattern(1), pattern(65_508), pattern(2), pattern(65_509), pattern(3)])
        await world.until(b.arrived(6))
      })
      // Datagrams sent meanwhile may go before the rest of the batch, or after it.
      const lengths = b.received.map(({ bytes }) => bytes.length)
      expect(lengths.filter((length) => length !== 50)).toEqual([4, 1, 2, 3])
      expect(lengths.length).toBe(6)
      expect(errors.map((error) => (error as Error).message)).toEqual(["the program's own"])
    })

    test("of several receive functions the last one given is called", async () => {
      const [a, b] = await pair()
      b.transport.onReceive(() => expect.unreachable())
      const called = new Promise<void>((resolve) => b.transport.onReceive(() => resolve()))
      a.send(b.addressOf(4), [pattern(1)])
      await world.until(called)
    })

    test("counters tell datagrams and bytes, tags included", async () => {
      const [a, b] = await pair()
      a.send(b.addressOf(4), [pattern(10), pattern(20)], a.transport.registerSealer(SUM))
      await world.until(b.arrived(2))
      expect(a.transport.counters).toMatchObject({ datagramsSent: 2, bytesSent: 32, datagramsReceived: 0 })
      expect(b.transport.counters).toMatchObject({ datagramsReceived: 2, bytesReceived: 32, datagramsSent: 0 })
    })

    test("a sealer tags what is sent, and judges what is opened", async () => {
      const [a, b] = await pair()
      const sealer = a.transport.registerSealer(SUM)
      const opener = b.transport.registerSealer(SUM)
      const verdicts: number[] = []
      const all = new Promise<void>((resolve) => {
        b.transport.onReceive((batch) => {
          for (let row = 0; row < batch.count; row++) {
            const at = batch.offset[row]! + batch.length[row]! - 1
            // The second is altered; the third isn't to be opened.
            if (verdicts.length + row === 1) batch.slabs[batch.slab[row]!]![at]! ^= 1
            batch.opener[row] = verdicts.length + row === 2 ? 0 : opener
          }
          b.transport.open(batch)
          verdicts.push(...batch.verdict.subarray(0, batch.count))
          if (verdicts.length === 3) resolve()
        })
      })
      a.send(b.addressOf(4), [pattern(10), pattern(20), pattern(30)], sealer)
      await world.until(all)
      expect(verdicts).toEqual([1, 0, 0])
    })

    test.each(["all in clear", "encrypted"])(
      "a key seals to other memory, and opens where it came, %s",
      async (how) => {
        const [a, b] = await pair()
        const clearBytes = how === "encrypted" ? 8 : Infinity
        const [sealer, opener] = [
          a.transport.registerSealer(keyed(world.a, clearBytes)),
          b.transport.registerSealer(keyed(world.b, clearBytes)),
        ]
        const lengths = [8, 9, 100, 1_200, 1_200, 1_200, 40_000]
        const came: { readonly sealed: Uint8Array; readonly opened: Uint8Array; readonly verdict: number }[] = []
        const all = new Promise<void>((resolve) => {
          b.transport.onReceive((batch) => {
            const rows = Array.from({ length: batch.count }, (_, row) => {
              const bytes = batch.slabs[batch.slab[row]!]!.subarray(
                batch.offset[row]!,
                batch.offset[row]! + batch.length[row]!,
              )
              const sealed = bytes.slice()
              // The fifth is altered: a bit of its last byte.
              if (came.length + row === 4) bytes[bytes.length - 1]! ^= 1
              batch.opener[row] = opener
              return { bytes, sealed }
            })
            b.transport.open(batch)
            for (const [row, { bytes, sealed }] of rows.entries())
              came.push({ sealed, opened: bytes.slice(0, -16), verdict: batch.verdict[row]! })
            if (came.length === lengths.length) resolve()
          })
        })
        const sent = lengths.map((length, i) => numbered(pattern(length, i), i + 1))
        const { slab } = a
        a.send(b.addressOf(4), sent, sealer)
        await world.until(all)
        let offset = 0
        for (const [i, { sealed, opened, verdict }] of came.entries()) {
          expect(verdict, `datagram ${i}`).toBe(i === 4 ? 0 : 1)
          expect(sealed).toEqual(sealedByNode(sent[i]!, clearBytes))
          // Sealed in other memory: bytes that may be sent again are unchanged.
          expect(slab.subarray(offset, offset + lengths[i]!)).toEqual(sent[i])
          offset += lengths[i]! + 64
          if (i !== 4) expect(opened).toEqual(sent[i])
        }
      },
    )

    test("a key and a checksum seal in one batch, and a key that is released is gone", async () => {
      const [a, b] = await pair()
      const [key, sum] = [a.transport.registerSealer(keyed(world.a, 8)), a.transport.registerSealer(SUM)]
      const sent = [pattern(20, 1), pattern(20, 2), pattern(20, 3)]
      a.send(b.addressOf(4), [sent[0]!], sum)
      a.send(b.addressOf(4), [sent[1]!], key)
      a.send(b.addressOf(4), [sent[2]!])
      await world.until(b.arrived(3))
      expect(b.received.map(({ bytes }) => bytes.length)).toEqual([21, 36, 20])
      a.transport.releaseSealer(key)
      expect(() => a.send(b.addressOf(4), [sent[1]!], key)).toThrow(RangeError)
    })

    test("what was filled into one batch is not in the next", async () => {
      const [a, b] = await pair()
      const sealer = a.transport.registerSealer(SUM)
      const opener = b.transport.registerSealer(SUM)
      for (let turn = 0; turn < 2; turn++) {
        const came = new Promise<number[]>((resolve) => {
          b.transport.onReceive((batch) => {
            const before = [batch.opener[0]!, batch.verdict[0]!]
            batch.opener[0] = opener
            b.transport.open(batch)
            resolve([...before, batch.verdict[0]!])
          })
        })
        a.send(b.addressOf(4), [pattern(10)], sealer)
        expect(await world.until(came)).toEqual([0, 0, 1])
      }
    })

    test("a source that is retained can be answered later", async () => {
      const [a, b] = await pair()
      const source = new Promise<number>((resolve) => {
        b.transport.onReceive((batch) => {
          b.transport.retainAddress(batch.address[0]!)
          resolve(batch.address[0]!)
        })
      })
      a.send(b.addressOf(6), [pattern(1)])
      const id = await world.until(source)
      expect(b.transport.addressOf(id)).toEqual(a.addressOf(6))
      b.send(b.transport.addressOf(id), [pattern(2)])
      await world.until(a.arrived(1))
      b.transport.releaseAddress(id)
      expect(() => b.transport.releaseAddress(id)).toThrow(RangeError)
    })

    test("an address has one id until it is released as often as it was interned and retained", async () => {
      const [a] = await pair()
      const { transport } = a
      const id = transport.internAddress({ family: 4, host: "192.0.2.1", port: 5 })
      expect(transport.internAddress({ family: 6, host: "::ffff:192.0.2.1", port: 5 })).toBe(id)
      transport.retainAddress(id)
      expect(transport.addressOf(id)).toEqual({ family: 4, host: "192.0.2.1", port: 5 })
      for (let held = 3; held > 0; held--) transport.releaseAddress(id)
      expect(() => transport.releaseAddress(id)).toThrow(RangeError)
    })

    test("names, bad ports and unknown ids are refused at once", async () => {
      const [{ transport }] = await pair()
      for (const host of ["localhost", "", "1.2.3", "::g", "01.2.3.4"])
        expect(() => transport.internAddress({ family: 4, host, port: 1 })).toThrow(RangeError)
      for (const port of [0, -1, 1.5, 65_536, Number.NaN])
        expect(() => transport.internAddress({ family: 4, host: "192.0.2.1", port })).toThrow(RangeError)
      expect(() => transport.addressOf(99)).toThrow(RangeError)
      expect(() => transport.releaseSlab(99)).toThrow(RangeError)
      expect(() => transport.releaseSealer(99)).toThrow(RangeError)
    })

    test("a closed transport takes and counts what is sent, receives nothing, and settles each call to close", async () => {
      const [a, b] = await pair()
      const closing = a.transport.close()
      expect(a.transport.close()).toBe(closing)
      expect(a.send(b.addressOf(4), [pattern(1), pattern(2)])).toBe(2)
      await world.until(closing)
      b.send(b.addressOf(4), [pattern(3)])
      await world.until(b.arrived(1))
      expect(a.transport.counters).toMatchObject({ datagramsUnsendable: 2, datagramsSent: 0 })
      expect(b.received.length).toBe(1)
      await world.until(Promise.resolve(a.transport[Symbol.asyncDispose]()))
    })

    test("a transport closed while it receives is handed nothing more", async () => {
      const [a, b] = await pair()
      let calls = 0
      const closed = new Promise<void>((resolve) => {
        b.transport.onReceive(() => {
          calls++
          void b.transport.close().then(resolve)
        })
      })
      a.send(
        b.addressOf(4),
        Array.from({ length: 100 }, () => pattern(10)),
      )
      await world.until(closed)
      a.send(b.addressOf(4), [pattern(10)])
      await world.until(wake(world.a, 3))
      expect(calls).toBe(1)
    })

    test("a port that is taken is refused with what to do, and is free again after close", async () => {
      world = makeWorld()
      const first = await bind(world.a)
      const { port } = first.addressOf(4)
      const refusal = await world
        .until(Station.bind(world.a, { ...world.bindOptions, port }))
        .catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(TransportError)
      expect(refusal).toMatchObject({ code: "address-in-use", message: expect.stringContaining(`${port}`) })
      await world.until(first.transport.close())
      const again = await bind(world.a, { port })
      expect(again.addressOf(6).port).toBe(port)
    })

    test("a port that is taken in one family leaves nothing bound in the other", async () => {
      world = makeWorld()
      const { port } = (await bind(world.a, { v4: false })).addressOf(6)
      await expect(world.until(world.a.bind({ ...world.bindOptions, port }))).rejects.toMatchObject({
        code: "address-in-use",
      })
      expect((await bind(world.a, { port, v6: false })).transport.localAddresses).toHaveLength(1)
    })

    test("options that can't be are refused before a socket is opened", async () => {
      world = makeWorld()
      const wrong: BindOptions[] = [
        { port: -1 },
        { port: 65_536 },
        { port: 0.5 },
        { v4: "::1" },
        { v6: "127.0.0.1" },
        { v4: "localhost" },
        { receiveBufferBytes: 0 },
      ]
      for (const options of wrong)
        await expect(world.until(world.a.bind(options))).rejects.toMatchObject({ code: "invalid-option" })
      await expect(world.until(world.a.bind({ v4: false, v6: false }))).rejects.toMatchObject({ code: "no-family" })
    })

    test("a wake-up comes once, not before its deadline", async () => {
      world = makeWorld()
      const { a } = world
      const calls: number[] = []
      let wakeUp = a.wakeUp(() => {})
      const deadlineMs = a.now() + 3.25
      await world.until(
        new Promise<void>((resolve) => {
          wakeUp = a.wakeUp(() => {
            calls.push(a.now())
            resolve()
          })
          wakeUp.at(deadlineMs)
        }),
      )
      await world.until(wake(a, 5))
      expect(calls.length).toBe(1)
      expect(calls[0]).toBeGreaterThanOrEqual(deadlineMs)
    })

    test("a deadline replaces the one before, earlier or later, and Infinity cancels it", async () => {
      world = makeWorld()
      const { a } = world
      const calls: string[] = []
      const nowMs = a.now()
      const [sooner, later, never] = ["sooner", "later", "never"].map((name) => a.wakeUp(() => calls.push(name)))
      sooner!.at(nowMs + 60_000)
      sooner!.at(nowMs + 2)
      later!.at(nowMs + 1)
      later!.at(nowMs + 6)
      never!.at(nowMs + 1)
      never!.at(Infinity)
      await world.until(wake(a, 10))
      expect(calls).toEqual(["sooner", "later"])
    })

    test("of two wake-ups due together, the first to come may cancel the other", async () => {
      world = makeWorld()
      const { a } = world
      let calls = 0
      const both = [0, 1].map((i) =>
        a.wakeUp(() => {
          calls++
          both[1 - i]!.at(Infinity)
        }),
      )
      const deadlineMs = a.now() + 2
      for (const one of both) one.at(deadlineMs)
      await world.until(wake(a, 5))
      expect(calls).toBe(1)
    })

    test("a deadline further ahead than a timer can count waits", async () => {
      world = makeWorld()
      const wakeUp = world.a.wakeUp(() => expect.unreachable())
      wakeUp.at(world.a.now() + 2 ** 32)
      await world.until(wake(world.a, 5))
      wakeUp.at(Infinity)
    })

    test("after a stall all datagrams that wait are delivered before the wake-up that is late", async () => {
      const [a, b] = await pair()
      let before = -1
      const woken = new Promise<void>((resolve) => {
        world.b
          .wakeUp(() => {
            before = b.received.length
            resolve()
          })
          .at(world.b.now() + 1)
      })
      a.send(
        b.addressOf(4),
        Array.from({ length: 120 }, () => pattern(10)),
      )
      world.stall(world.b, 60)
      await world.until(woken)
      expect(before).toBe(120)
    })

    test("a wake-up may set itself again, for a time that has passed too", async () => {
      world = makeWorld()
      const { a } = world
      let calls = 0
      await world.until(
        new Promise<void>((resolve) => {
          const wakeUp = a.wakeUp(() => (++calls === 5 ? resolve() : wakeUp.at(a.now() - 1)))
          wakeUp.at(a.now())
        }),
      )
      expect(calls).toBe(5)
    })

    test("datagrams that wait are delivered before a wake-up that is due, and deferred work comes last", async () => {
      const [a, b] = await pair()
      const order: string[] = []
      b.transport.onReceive(() => order.push("datagram"))
      const all = new Promise<void>((resolve) => {
        world.b.defer(() => {
          order.push("deferred")
          resolve()
        })
      })
      world.b.wakeUp(() => order.push("wake-up")).at(world.b.now())
      a.send(b.addressOf(4), [pattern(1)])
      await world.until(all)
      expect(order).toEqual(["datagram", "wake-up", "deferred"])
    })

    test("deferred work runs in order after the turn, and what it defers comes in the next", async () => {
      world = makeWorld()
      const order: number[] = []
      const all = new Promise<void>((resolve) => {
        world.a.defer(() => {
          order.push(2)
          world.a.defer(() => {
            order.push(4)
            resolve()
          })
        })
      })
      world.a.defer(() => order.push(3))
      order.push(1)
      await world.until(all)
      expect(order).toEqual([1, 2, 3, 4])
    })

    test("a literal address resolves to its one spelling, a name to addresses, and an unknown one is refused", async () => {
      world = makeWorld()
      expect(await world.until(world.a.resolve("2001:DB8:0::1"))).toEqual([{ family: 6, host: "2001:db8::1" }])
      expect(await world.until(world.a.resolve("::ffff:10.0.0.1"))).toEqual([{ family: 4, host: "10.0.0.1" }])
      expect((await world.until(world.a.resolve(world.knownName))).length).toBeGreaterThan(0)
      const refusal = await world.until(world.a.resolve("not a name")).catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(TransportError)
      expect(refusal).toMatchObject({ code: "name-not-found", message: expect.stringContaining("not a name") })
    })

    test("a resolution that is aborted rejects with the signal's reason", async () => {
      world = makeWorld()
      const reason = new Error("enough")
      await expect(world.until(world.a.resolve(world.knownName, AbortSignal.abort(reason)))).rejects.toBe(reason)
    })

    test("HMAC-SHA-256 is that of RFC 2104", () => {
      const { crypto } = makeWorld().a
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 300 }), (key, data) => {
          expect(Uint8Array.from(crypto.hmacSha256(key, data))).toEqual(
            Uint8Array.from(createHmac("sha256", key).update(data).digest()),
          )
        }),
      )
    })

    test("X25519: a published pair of keys, a secret that both sides share, and none with a key of small order", () => {
      const { crypto } = makeWorld().a
      const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))
      const [ours, theirs] = [
        hex("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
        hex("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"),
      ]
      const ourPublic = crypto.x25519PublicKey(ours)
      const theirPublic = crypto.x25519PublicKey(theirs)
      expect(Uint8Array.from(ourPublic)).toEqual(
        hex("ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944"),
      )
      expect(Uint8Array.from(theirPublic)).toEqual(
        hex("95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843"),
      )
      const shared = crypto.x25519(ours, theirPublic)
      expect(shared).toHaveLength(32)
      expect(shared).toEqual(crypto.x25519(theirs, ourPublic))
      for (const smallOrder of [0, 1])
        expect(crypto.x25519(ours, Uint8Array.of(smallOrder, ...new Uint8Array(31)))).toBeUndefined()
    })

    test("AES-256-GCM opens what it sealed, and refuses every flipped bit and a shorter tag (F36)", () => {
      const { crypto } = makeWorld().a
      const key = new Uint8Array(32).fill(7)
      const nonce = new Uint8Array(12).fill(9)
      const associated = Uint8Array.of(1, 2, 3)
      const plaintext = Uint8Array.from({ length: 20 }, (_, i) => i)
      const sealed = Uint8Array.from(crypto.aesGcmSeal(key, nonce, associated, plaintext))
      expect(sealed).toHaveLength(36)
      expect(Uint8Array.from(crypto.aesGcmOpen(key, nonce, associated, sealed) ?? [])).toEqual(plaintext)
      for (let bit = 0; bit < 8 * sealed.length; bit++) {
        const forged = sealed.slice()
        forged[bit >>> 3]! ^= 1 << (bit & 7)
        expect(crypto.aesGcmOpen(key, nonce, associated, forged)).toBeUndefined()
      }
      for (const bytes of [0, 4, 8, 12, 15]) {
        // The tag of an empty plaintext, cut short.
        const empty = crypto.aesGcmSeal(key, nonce, associated, new Uint8Array(0))
        expect(crypto.aesGcmOpen(key, nonce, associated, empty.subarray(0, bytes))).toBeUndefined()
        expect(crypto.aesGcmOpen(key, nonce, associated, sealed.subarray(0, 20 + bytes))).toBeUndefined()
      }
      expect(crypto.aesGcmOpen(key, nonce, Uint8Array.of(1, 2, 4), sealed)).toBeUndefined()
    })

    test("random numbers are 32 bits, and entropy fills all it is given", () => {
      const { a } = makeWorld()
      const draws = Array.from({ length: 2_000 }, () => a.random())
      expect(draws.every((draw) => Number.isInteger(draw) && draw >= 0 && draw < 2 ** 32)).toBe(true)
      expect(new Set(draws).size).toBeGreaterThan(1_990)
      expect(Math.max(...draws)).toBeGreaterThan(2 ** 31)
      const bytes = new Uint8Array(1_000)
      a.entropy(bytes)
      expect(new Set(bytes).size).toBeGreaterThan(200)
      expect(bytes.subarray(-16).some((byte) => byte !== 0)).toBe(true)
    })
  })
}

/** A tag that is the sum of the bytes. */
const SUM: Sealer = {
  tagBytes: 1,
  seal: (slab, offset, length) => void (slab[offset + length] = sum(slab.subarray(offset, offset + length))),
  open: (slab, offset, length) => slab[offset + length - 1] === sum(slab.subarray(offset, offset + length - 1)),
}

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)
const IV = Uint8Array.from({ length: 12 }, (_, i) => 100 + i)
const ASSOCIATED = Uint8Array.from({ length: 32 }, (_, i) => 200 - i)

/** A datagram with its counter in bytes 2 to 7. */
function numbered(bytes: Uint8Array, counter: number): Uint8Array {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(2, counter, true)
  return bytes
}

function nonceOf(bytes: Uint8Array): Uint8Array {
  return IV.map((byte, i) => (i < 6 ? byte : byte ^ bytes[2 + 11 - i]!))
}

/** The same with Node's cryptography, as a second implementation. */
function sealedByNode(bytes: Uint8Array, clearBytes: number): Uint8Array {
  const clear = bytes.subarray(0, Math.min(clearBytes, bytes.length))
  const cipher = createCipheriv("aes-256-gcm", KEY, nonceOf(bytes)).setAAD(Buffer.concat([ASSOCIATED, clear]))
  return Uint8Array.from(
    Buffer.concat([clear, cipher.update(bytes.subarray(clear.length)), cipher.final(), cipher.getAuthTag()]),
  )
}

/** A sealer with a key, as a protocol would give it. */
function keyed({ crypto }: Host, clearBytes: number): Sealer {
  const covered = (bytes: Uint8Array): Uint8Array => Uint8Array.of(...ASSOCIATED, ...bytes)
  return {
    tagBytes: 16,
    isOutOfPlace: true,
    parameters: { algorithm: "aes-256-gcm", key: KEY, iv: IV, associated: ASSOCIATED, counterOffset: 2, clearBytes },
    seal(slab, offset, length, out, at) {
      const bytes = slab.subarray(offset, offset + length)
      const clear = bytes.subarray(0, Math.min(clearBytes, length))
      out.set(clear, at)
      out.set(crypto.aesGcmSeal(KEY, nonceOf(bytes), covered(clear), bytes.subarray(clear.length)), at + clear.length)
    },
    open(slab, offset, length) {
      const bytes = slab.subarray(offset, offset + length)
      const clear = bytes.subarray(0, Math.min(clearBytes, length - 16))
      const opened = crypto.aesGcmOpen(KEY, nonceOf(bytes), covered(clear), bytes.subarray(clear.length))
      if (opened !== undefined) bytes.set(opened, clear.length)
      return opened !== undefined
    },
  }
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte) => (total + byte) & 255, 0)
}

function wake(host: Host, inMs: number): Promise<void> {
  return new Promise((resolve) => host.wakeUp(resolve).at(host.now() + inMs))
}
