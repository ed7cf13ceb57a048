// Sockets that others in the process close, that are shut down, or that can't be read any more.

import { createSocket } from "node:dgram"
import { closeSync, fstatSync, openSync } from "node:fs"
import { canBatch, close, openAlarm, openChannel, openSocket, type OpenOptions } from "@x/native"
import { afterEach, describe, expect, test, vi } from "vitest"
import { bindDualSocket } from "../src/bind-dual-socket.ts"
import { FailedReads, isEnd } from "../src/socket-ends.ts"
import { createSendBatch, type SocketError, type Transport } from "../src/transport.ts"
import { TurnEnd } from "../src/turn-end.ts"

const errorOf = (code: string): Error => Object.assign(new Error(code), { code })

test("a socket has ended with the first error that says so, or when reading fails again and again", () => {
  for (const code of ["EBADF", "ENOTSOCK", "EPIPE", "ECONNABORTED"]) expect(isEnd(errorOf(code))).toBe(true)
  for (const cause of [errorOf("ENOBUFS"), errorOf("ENETDOWN"), new Error("no code"), null, undefined])
    expect(isEnd(cause)).toBe(false)
  const reads = new FailedReads()
  const fails = (code: string, times: number): boolean[] =>
    Array.from({ length: times }, () => reads.add(errorOf(code)))
  expect(fails("ECONNRESET", 1_000).includes(true)).toBe(false)
  expect(fails("ENOMEM", 63).includes(true)).toBe(false)
  reads.clear()
  expect(fails("ENOMEM", 63).includes(true)).toBe(false)
  expect(reads.add(errorOf("ENOMEM"))).toBe(true)
  expect(new FailedReads().add(errorOf("EBADF"))).toBe(true)
})

interface Bound {
  readonly transport: Transport
  /** The descriptors of its sockets. */
  readonly fds: number[]
  readonly errors: SocketError[]
  /** Sends one byte there. */
  send(port: number): number
  /** Settles with the port that the next datagram comes from. */
  next(): Promise<number>
}

const open: Transport[] = []
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(open.splice(0).map((transport) => transport.close()))
})

async function bind(hasBatches: boolean): Promise<Bound> {
  const fds: number[] = []
  const opening = (options: OpenOptions): ReturnType<typeof openSocket> => {
    const opened = openSocket(options)
    fds.push(opened.fd)
    return opened
  }
  const native = { openSocket: opening, close, ...(hasBatches ? { canBatch, openChannel, openAlarm } : {}) }
  const transport = await bindDualSocket({ v4: "127.0.0.1", v6: false }, { native }, new TurnEnd())
  open.push(transport)
  const errors: SocketError[] = []
  transport.onError((error) => errors.push(error))
  const batch = createSendBatch(1)
  batch.count = 1
  batch.slab[0] = transport.registerSlab(new Uint8Array(8))
  batch.length[0] = 1
  return {
    ...{ transport, fds, errors },
    send(port) {
      batch.address[0] = transport.internAddress({ family: 4, host: "127.0.0.1", port })
      return transport.send(batch)
    },
    next: () =>
      new Promise((resolve) =>
        transport.onReceive((received) => resolve(transport.addressOf(received.address[0]!).port)),
      ),
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.skipIf(!canBatch).each([
  ["in batches", true],
  ["one by one", false],
])("%s", (_, hasBatches) => {
  test("a socket that others have closed is told with the next datagram, once; nothing is taken until there is another, on its port", async () => {
    const [a, b] = [await bind(hasBatches), await bind(hasBatches)]
    const { port } = a.transport.localAddresses[0]!
    closeSync(a.fds[0]!)
    a.send(b.transport.localAddresses[0]!.port)
    await turn()
    await turn()
    expect(a.errors.map(({ operation }) => operation)).toEqual(["send", "socket"])
    expect(a.errors[1]!.cause).toMatchObject({ code: "EBADF" })
    expect(a.send(b.transport.localAddresses[0]!.port)).toBe(0)
    let isWritable = false
    a.transport.onWritable(() => (isWritable = true))
    await a.transport.rebind!({ port })
    expect([isWritable, a.transport.localAddresses[0]!.port]).toEqual([true, port])
    const came = b.next()
    a.send(b.transport.localAddresses[0]!.port)
    expect(await came).toBe(port)
    const back = a.next()
    b.send(port)
    await back
    expect(a.errors).toHaveLength(2)
  })

  test("where nothing is sent it is told within a second", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
    const a = await bind(hasBatches)
    vi.advanceTimersByTime(1_000)
    expect(a.errors).toEqual([])
    closeSync(a.fds[0]!)
    vi.advanceTimersByTime(3_000)
    expect(a.errors).toMatchObject([{ operation: "socket", cause: { code: "EBADF" } }])
    await a.transport.close()
    expect(vi.getTimerCount()).toBe(0)
  })

  test("another socket can be opened though nobody has noticed yet, and its number is that of the one before", async () => {
    const [a, b] = [await bind(hasBatches), await bind(hasBatches)]
    closeSync(a.fds[0]!)
    await a.transport.rebind!()
    const came = b.next()
    a.send(b.transport.localAddresses[0]!.port)
    expect(await came).toBe(a.transport.localAddresses[0]!.port)
    const back = a.next()
    b.send(a.transport.localAddresses[0]!.port)
    expect(await back).toBe(b.transport.localAddresses[0]!.port)
  })
})

describe.skipIf(!canBatch)("in batches", () => {
  test("what has the number of a closed socket by then stays open: a file, and a socket that takes its datagrams", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] })
    const a = await bind(true)
    closeSync(a.fds[0]!)
    const file = openSync("/dev/null", "r+")
    expect(file).toBe(a.fds[0])
    vi.advanceTimersByTime(1_000)
    expect(a.errors).toHaveLength(1)
    expect(fstatSync(file).isCharacterDevice()).toBe(true)
    closeSync(file)
    const b = await bind(true)
    closeSync(b.fds[0]!)
    const other = createSocket("udp4")
    await new Promise<void>((resolve) => other.bind(0, "127.0.0.1", resolve))
    expect(b.send(9)).toBe(1)
    vi.advanceTimersByTime(1_000)
    expect(b.errors.map(({ operation }) => operation)).toEqual(["socket"])
    expect(fstatSync(b.fds[0]!).isSocket()).toBe(true)
    other.close()
  })
})
