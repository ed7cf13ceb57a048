/** A system's possible answers to a send, given to a socket by a stub in place of `dgram`. */

import { EventEmitter } from "node:events"
import { TransportError } from "@x/transport"
import { describe, expect, test } from "vitest"
import { bindDualSocket } from "../src/bind-dual-socket.ts"
import { BoundSocket, type DgramSocket } from "../src/bound-socket.ts"
import type { NativeHelper } from "../src/native.ts"
import { runtimeOf } from "../src/runtime.ts"
import { TurnEnd } from "../src/turn-end.ts"
import { pattern, Station } from "./station.ts"

const TO = { family: 4, host: "192.0.2.1", port: 9 } as const
const FACTS = { dontFragment: true, receiveBufferBytes: 4_194_304, sendBufferBytes: 1_048_576 }

type SendCallback = (error: Error | null, bytes: number) => void

/** Answers each send as the test has set. */
class StubSocket extends EventEmitter {
  /** `"ok"`; an error code, passed to the callback; `"throw CODE"`; `"wait"`: the system takes nothing. */
  answer = "ok"
  isClosed = false
  readonly sent: Uint8Array[] = []
  readonly waiting: { readonly bytes: Buffer; readonly length: number; readonly callback: SendCallback }[] = []

  address(): { address: string; family: string; port: number } {
    return { address: "127.0.0.1", family: "IPv4", port: 4_000 }
  }

  send(bytes: Buffer, _offset: number, length: number, _port: number, _host: string, callback: SendCallback): void {
    if (this.answer.startsWith("throw ")) throw errorOf(this.answer.slice(6))
    if (this.answer === "wait") {
      this.waiting.push({ bytes, length, callback })
      return
    }
    const error = this.answer === "ok" ? null : errorOf(this.answer)
    if (error === null) this.sent.push(bytes.subarray(0, length))
    process.nextTick(callback, error, length)
  }

  getSendQueueCount(): number {
    // As dgram does.
    if (this.isClosed) throw errorOf("ERR_SOCKET_DGRAM_NOT_RUNNING")
    return this.waiting.length
  }

  /** The system takes one more. */
  drainOne(): void {
    const { bytes, length, callback } = this.waiting.shift()!
    this.sent.push(bytes.subarray(0, length))
    callback(null, length)
  }

  close(done: () => void): void {
    this.isClosed = true
    // As libuv does: waiting sends fail.
    for (const { callback, length } of this.waiting.splice(0)) process.nextTick(callback, errorOf("ECANCELED"), length)
    process.nextTick(done)
  }
}

/** Like Deno's: it doesn't say how many wait. */
class UntoldSocket extends StubSocket {
  override readonly getSendQueueCount = undefined as never
}

function errorOf(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`send ${code}`), { code })
}

async function open(stub = new StubSocket()): Promise<{ stub: StubSocket; station: Station }> {
  const transport = await bindDualSocket(
    { v6: false },
    { reason: "a stub" },
    new TurnEnd(),
    async () => new BoundSocket(stub as unknown as DgramSocket, 4, FACTS),
  )
  return { stub, station: new Station(transport) }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe("a socket that can't send", () => {
  test.each([
    "EMSGSIZE",
    "ENOBUFS",
    "EAGAIN",
    "ECONNRESET",
    "ECONNREFUSED",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ENETDOWN",
    "EPERM",
    "EACCES",
    "EINVAL",
    "EADDRNOTAVAIL",
  ] as const)("F69 %s is a lost datagram, counted and told with its address and length", async (code) => {
    const { stub, station } = await open()
    stub.answer = code
    expect(station.send(TO, [pattern(10), pattern(20)])).toBe(2)
    await turn()
    expect(station.transport.counters.errors[code]).toBe(2)
    expect(station.errors.map((error) => [error.code, error.operation, error.bytes])).toEqual([
      [code, "send", 10],
      [code, "send", 20],
    ])
    stub.answer = "ok"
    expect(station.send(TO, [pattern(30)])).toBe(1)
    expect(stub.sent).toHaveLength(1)
  })

  test("the address of a failed send is the one it went to", async () => {
    const { stub, station } = await open()
    const hosts: string[] = []
    station.transport.onError(({ address }) => hosts.push(station.transport.addressOf(address).host))
    station.transport.internAddress({ ...TO, host: "192.0.2.2" })
    station.send({ ...TO, host: "192.0.2.3" }, [pattern(1)])
    stub.answer = "EPERM"
    station.send({ ...TO, host: "192.0.2.2" }, [pattern(1)])
    await turn()
    expect(hosts).toEqual(["192.0.2.2"])
  })

  test.each(["ERR_SOCKET_BAD_PORT", "ERR_SOCKET_DGRAM_NOT_RUNNING"])(
    "%s, which dgram throws, is counted under other",
    async (code) => {
      const { stub, station } = await open()
      stub.answer = `throw ${code}`
      expect(station.send(TO, [pattern(10), pattern(20)])).toBe(2)
      expect(station.transport.counters.errors.other).toBe(2)
      expect(station.errors[1]).toMatchObject({ operation: "send", bytes: 20, cause: { code } })
      stub.answer = "ENOBUFS"
      station.send(TO, [pattern(30)])
      await turn()
      expect(station.errors[2]).toMatchObject({ code: "ENOBUFS", bytes: 30 })
    },
  )

  test("F69 one that is full takes one datagram and no more, however often asked, until it drained", async () => {
    const { stub, station } = await open()
    let writable = 0
    station.transport.onWritable(() => writable++)
    stub.answer = "wait"
    expect(station.send(TO, [pattern(10, 1), pattern(10, 2), pattern(10, 3)])).toBe(1)
    for (let i = 0; i < 1_000; i++) expect(station.send(TO, [pattern(10, 4)])).toBe(0)
    expect(stub.waiting).toHaveLength(1)
    expect(writable).toBe(0)
    stub.drainOne()
    expect(writable).toBe(1)
    expect(stub.sent).toEqual([Buffer.from(pattern(10, 1))])
    stub.answer = "ok"
    expect(station.send(TO, [pattern(10, 5)])).toBe(1)
  })

  test("a datagram that waits keeps its bytes, whatever becomes of the sender's memory and whatever is sent next", async () => {
    const { stub, station } = await open()
    stub.answer = "wait"
    station.send(TO, [pattern(100, 1)])
    station.slab.fill(0xee)
    stub.drainOne()
    stub.answer = "ok"
    station.send(TO, [pattern(100, 2)])
    expect(stub.sent[0]).toEqual(Buffer.from(pattern(100, 1)))
  })

  test("a datagram that waited and failed in the end makes room too", async () => {
    const { stub, station } = await open()
    let writable = 0
    station.transport.onWritable(() => writable++)
    stub.answer = "wait"
    station.send(TO, [pattern(10)])
    stub.waiting.shift()!.callback(errorOf("ENETUNREACH"), 0)
    expect(station.errors).toMatchObject([{ code: "ENETUNREACH", operation: "send", bytes: 10 }])
    expect(writable).toBe(1)
    expect(station.send(TO, [pattern(20)])).toBe(1)
  })

  test("one that has room again may be sent to at once, and be full again at once", async () => {
    const { stub, station } = await open()
    const taken: number[] = []
    station.transport.onWritable(() => taken.push(station.send(TO, [pattern(20), pattern(30)])))
    stub.answer = "wait"
    station.send(TO, [pattern(10)])
    stub.drainOne()
    stub.drainOne()
    expect(taken).toEqual([1, 1])
    expect(stub.sent.map(({ length }) => length)).toEqual([10, 20])
  })

  test("after closing takes what it is given, also if it was full", async () => {
    const { stub, station } = await open()
    stub.answer = "wait"
    station.send(TO, [pattern(10)])
    const closing = station.transport.close()
    expect(station.send(TO, [pattern(20), pattern(30)])).toBe(2)
    await closing
    expect(station.send(TO, [pattern(20), pattern(30)])).toBe(2)
    expect(station.transport.counters).toMatchObject({ datagramsSent: 1, datagramsUnsendable: 5 })
  })

  test("F69 one that never drains can be closed, and what waited counts as unsendable", async () => {
    const { stub, station } = await open()
    stub.answer = "wait"
    station.send(TO, [pattern(10)])
    await station.transport.close()
    expect(stub.isClosed).toBe(true)
    expect(station.transport.counters.datagramsUnsendable).toBe(1)
    expect(station.errors).toEqual([])
  })

  test("F69 an error of the socket itself, as ECONNRESET of an earlier send on Windows, is counted and doesn't end it", async () => {
    const { stub, station } = await open()
    stub.emit("error", Object.assign(errorOf("ECONNRESET"), { syscall: "recvmsg" }))
    stub.emit("error", Object.assign(errorOf("ENOMEM"), { syscall: "recvmsg" }))
    expect(station.transport.counters.errors).toMatchObject({ ECONNRESET: 1, other: 1 })
    expect(station.errors.map(({ operation }) => operation)).toEqual(["receive", "receive"])
    stub.emit("message", Buffer.from(pattern(5)), { address: "192.0.2.1", port: 9 })
    await turn()
    expect(station.received.map(({ bytes }) => bytes)).toEqual([pattern(5)])
  })

  test("an error of a socket that is being closed is nobody's any more", async () => {
    const { stub, station } = await open()
    const closing = station.transport.close()
    stub.emit("error", Object.assign(errorOf("ECONNRESET"), { syscall: "recvmsg" }))
    await closing
    expect(station.errors).toEqual([])
    expect(station.transport.counters).toMatchObject({ datagramsUnsendable: 0, errors: { ECONNRESET: 0 } })
  })

  test("a datagram from port 0, which nobody can answer, is dropped and counted", async () => {
    const { stub, station } = await open()
    stub.emit("message", Buffer.from(pattern(5)), { address: "192.0.2.1", port: 0 })
    await turn()
    expect(station.received).toEqual([])
    expect(station.transport.counters).toMatchObject({ datagramsDropped: 1, datagramsReceived: 0 })
  })

  test("F01 100,000 empty datagrams come in bounded batches, and those with bytes among them", async () => {
    const { stub, station } = await open()
    const from = { address: "192.0.2.1", port: 9 }
    let [rows, bytes, largest] = [0, 0, 0]
    station.transport.onReceive((batch) => {
      rows += batch.count
      largest = Math.max(largest, batch.count)
      for (let row = 0; row < batch.count; row++) bytes += batch.length[row]!
    })
    for (let i = 0; i < 100_000; i++) {
      stub.emit("message", Buffer.alloc(0), from)
      if (i % 10_000 === 0) stub.emit("message", Buffer.alloc(5), from)
    }
    await turn()
    expect([rows, bytes]).toEqual([100_010, 50])
    expect(largest).toBeLessThanOrEqual(64)
  })

  test("more datagrams than a batch holds are all delivered, in order, the longest among them", async () => {
    const { stub, station } = await open()
    const datagrams = [
      ...Array.from({ length: 150 }, (_, i) => pattern(i, i)),
      pattern(65_507),
      pattern(65_507),
      pattern(65_507),
    ]
    for (const bytes of datagrams) stub.emit("message", Buffer.from(bytes), { address: "192.0.2.1", port: 9 })
    await turn()
    expect(station.received.map(({ bytes }) => bytes)).toEqual(datagrams)
  })
})

describe("a socket that doesn't say what waits", () => {
  const some = (count: number): Uint8Array[] => Array.from({ length: count }, (_, i) => pattern(20, i))

  test("takes 64 datagrams and no more, until all of them are finished", async () => {
    const { stub, station } = await open(new UntoldSocket())
    let writable = 0
    station.transport.onWritable(() => writable++)
    stub.answer = "wait"
    expect(station.send(TO, some(50))).toBe(50)
    expect(station.send(TO, some(50))).toBe(14)
    for (let i = 0; i < 1_000; i++) expect(station.send(TO, some(1))).toBe(0)
    for (let i = 0; i < 63; i++) stub.drainOne()
    expect([writable, station.send(TO, some(1))]).toEqual([0, 0])
    stub.drainOne()
    expect(writable).toBe(1)
    expect(station.send(TO, some(1))).toBe(1)
  })

  test("is never full as long as they are finished, however many they are", async () => {
    const { stub, station } = await open(new UntoldSocket())
    for (let i = 0; i < 20; i++) {
      expect(station.send(TO, some(50))).toBe(50)
      await turn()
    }
    expect(stub.sent).toHaveLength(1_000)
  })

  test("each keeps its bytes, whatever becomes of the sender's memory and whatever is sent next", async () => {
    const { stub, station } = await open(new UntoldSocket())
    stub.answer = "wait"
    station.send(TO, some(40))
    station.slab.fill(0xee)
    station.send(TO, [pattern(20, 40)])
    while (stub.waiting.length > 0) stub.drainOne()
    expect(stub.sent.map((bytes) => Uint8Array.from(bytes))).toEqual(some(41))
  })

  test("finishes them in any order: a failure is told with the address and length of its own", async () => {
    const { stub, station } = await open(new UntoldSocket())
    const told: unknown[] = []
    station.transport.onError(({ code, address, bytes }) =>
      told.push([code, station.transport.addressOf(address).host, bytes]),
    )
    stub.answer = "wait"
    const hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    for (const [i, host] of hosts.entries()) {
      station.transport.internAddress({ ...TO, host })
      station.send({ ...TO, host }, [pattern(10 + i)])
    }
    stub.waiting[2]!.callback(errorOf("EMSGSIZE"), 0)
    stub.waiting[0]!.callback(errorOf("ENOBUFS"), 0)
    expect(told).toEqual([
      ["EMSGSIZE", "192.0.2.3", 12],
      ["ENOBUFS", "192.0.2.1", 10],
    ])
  })

  test("what dgram throws at once isn't unfinished", async () => {
    const { stub, station } = await open(new UntoldSocket())
    stub.answer = "throw ERR_SOCKET_BAD_PORT"
    expect(station.send(TO, some(100))).toBe(100)
    expect(station.transport.counters.errors.other).toBe(100)
    stub.answer = "wait"
    expect(station.send(TO, some(100))).toBe(64)
  })

  test("can be closed while it is full, and what waited counts as unsendable", async () => {
    const { stub, station } = await open(new UntoldSocket())
    let writable = 0
    station.transport.onWritable(() => writable++)
    stub.answer = "wait"
    station.send(TO, some(70))
    await station.transport.close()
    expect(station.transport.counters.datagramsUnsendable).toBe(64)
    expect([writable, station.errors]).toEqual([0, []])
  })
})

describe("a transport that is closed", () => {
  test("leaves nothing with its host", async () => {
    const turnEnd = new TurnEnd()
    const readers = new Set<() => boolean>()
    turnEnd.addReader = (deliver) => void readers.add(deliver)
    turnEnd.removeReader = (deliver) => void readers.delete(deliver)
    const stub = new StubSocket()
    const openStub = async (): Promise<BoundSocket> => new BoundSocket(stub as unknown as DgramSocket, 4, FACTS)
    const transport = await bindDualSocket({ v6: false }, { reason: "a stub" }, turnEnd, openStub)
    expect(readers.size).toBe(1)
    await transport.close()
    expect(readers.size).toBe(0)
  })
})

describe("binding", () => {
  type Open = NonNullable<Parameters<typeof bindDualSocket>[3]>

  const bound = (family: 4 | 6, port: number, facts = FACTS): BoundSocket => {
    const stub = new StubSocket()
    stub.address = () => ({ address: family === 4 ? "127.0.0.1" : "::1", family: `IPv${family}`, port })
    return new BoundSocket(stub as unknown as DgramSocket, family, facts)
  }

  test("a port that is free in one family and taken in the other is given up for another", async () => {
    const ports: number[] = []
    const open: Open = async ({ family, port }) => {
      if (family === 4) return bound(4, 50_000 + ports.length)
      ports.push(port)
      if (ports.length < 3) throw errorOf("EADDRINUSE")
      return bound(6, port)
    }
    const transport = await bindDualSocket({}, { reason: "a stub" }, new TurnEnd(), open)
    expect(ports).toEqual([50_000, 50_001, 50_002])
    expect(transport.localAddresses.map(({ port }) => port)).toEqual([50_002, 50_002])
  })

  test("after ten tries it is given up with what to do, and a port that was asked for is tried once", async () => {
    let tries = 0
    const open: Open = async ({ family }) => {
      if (family === 4) return bound(4, 50_000 + tries++)
      throw errorOf("EADDRINUSE")
    }
    await expect(bindDualSocket({}, { reason: "a stub" }, new TurnEnd(), open)).rejects.toMatchObject({
      code: "address-in-use",
    })
    expect(tries).toBe(10)
    await expect(bindDualSocket({ port: 5 }, { reason: "a stub" }, new TurnEnd(), open)).rejects.toBeInstanceOf(
      TransportError,
    )
    expect(tries).toBe(11)
  })

  test("a machine without one family has the other, with a note; without both it is refused", async () => {
    const without =
      (...families: (4 | 6)[]): Open =>
      async ({ family, port }) => {
        if (families.includes(family)) throw errorOf("EAFNOSUPPORT")
        return bound(family, port)
      }
    for (const family of [4, 6] as const) {
      const { capabilities } = await bindDualSocket({}, { reason: "a stub" }, new TurnEnd(), without(family))
      expect(capabilities.families).toEqual([family === 4 ? 6 : 4])
      expect(capabilities.notes.join()).toContain(`there is no v${family} socket`)
    }
    await expect(bindDualSocket({}, { reason: "a stub" }, new TurnEnd(), without(4, 6))).rejects.toMatchObject({
      code: "no-family",
    })
  })

  test.each([
    ["EACCES", "permission"],
    ["EPERM", "permission"],
    ["ENOBUFS", "bind-failed"],
  ])("%s is refused as %s", async (code, expected) => {
    const open: Open = async () => {
      throw errorOf(code)
    }
    await expect(bindDualSocket({ port: 80 }, { reason: "a stub" }, new TurnEnd(), open)).rejects.toMatchObject({
      code: expected,
      cause: { code },
    })
  })

  test("what is less than asked for is noted with its cure, and the smaller of two sockets counts", async () => {
    const open: Open = async ({ family, port }) =>
      bound(
        family,
        port,
        family === 4 ? FACTS : { dontFragment: false, receiveBufferBytes: 212_992, sendBufferBytes: 1_048_576 },
      )
    const { capabilities } = await bindDualSocket({}, { reason: "a stub" }, new TurnEnd(), open)
    expect(capabilities).toMatchObject({ dontFragment: false, receiveBufferBytes: 212_992, sendBufferBytes: 1_048_576 })
    expect(capabilities.notes.join("\n")).toMatch(/native helper.*\(a stub\)/)
    expect(capabilities.notes.join("\n")).toMatch(/SO_RCVBUF of v6 is 212992 B, not 4194304 B/)
    expect(capabilities.notes.join("\n")).not.toContain("SO_SNDBUF")
  })

  describe("on a runtime that has less than Node: one note says what, why and what it costs", () => {
    const native = { openSocket: (): never => expect.unreachable(), close: (): void => {} }
    const small = { dontFragment: true, receiveBufferBytes: 65_536, sendBufferBytes: 65_536 }

    async function notesOf(helper: NativeHelper, facts = FACTS): Promise<readonly string[]> {
      const transport = await bindDualSocket({}, helper, new TurnEnd(), async ({ family, port }) =>
        bound(family, port, facts),
      )
      expect(transport.capabilities.batch).toBe(false)
      return transport.capabilities.notes
    }

    test("Bun takes the helper's sockets and not its batches", async () => {
      const runtime = runtimeOf({ ...process.versions, bun: "1.4.5" })
      expect(await notesOf({ native, runtime })).toEqual([
        expect.stringMatching(/one by one, at some five times the CPU.*Bun hasn't/),
      ])
      expect(await notesOf({ reason: "a stub", runtime })).toEqual([
        expect.stringMatching(/one by one.*Bun/),
        expect.stringMatching(/fragmented \(a stub\)/),
      ])
    })

    test("Deno takes nothing, and its buffers are not measured by what was asked for", async () => {
      const runtime = runtimeOf({ ...process.versions, deno: "2.9.6" })
      const note = /one by one, at some ten times the CPU.*may be fragmented.*default size: Deno's dgram/
      expect(await notesOf({ reason: "none", runtime }, small)).toEqual([expect.stringMatching(note)])
    })

    test("where the system is what lacks batches, that is said", async () => {
      expect(await notesOf({ native })).toEqual([
        "datagrams go one by one: the native helper has batches on Linux only",
      ])
    })
  })
})
