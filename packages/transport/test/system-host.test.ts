import { createSocket, Socket } from "node:dgram"
import { closeSync, openSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { canBatch } from "@x/native"
import { systemHost, TransportError } from "@x/transport"
import { afterEach, describe, expect, test, vi } from "vitest"
import { openSocket } from "../src/open-socket.ts"
import { runtimeOf } from "../src/runtime.ts"
import { pattern, Station } from "./station.ts"
import { noV6 } from "../../../tools/testkit/src/loopback.ts"

const LOOPBACK = { v4: "127.0.0.1", v6: "::1" }

const open: Station[] = []

async function bind(host = systemHost()): Promise<Station> {
  const station = await Station.bind(host, LOOPBACK)
  open.push(station)
  return station
}

const countDescriptors = (): number => readdirSync("/proc/self/fd").length

/** Blocks the program, as a long computation does. */
function block(ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

/** The uncaught errors of the program, kept from the test runner. */
async function uncaughtDuring(run: () => Promise<void>): Promise<unknown[]> {
  const listeners = process.listeners("uncaughtException")
  const errors: unknown[] = []
  process.removeAllListeners("uncaughtException")
  process.on("uncaughtException", (error) => errors.push(error))
  try {
    await run()
  } finally {
    process.removeAllListeners("uncaughtException")
    for (const listener of listeners) process.on("uncaughtException", listener)
  }
  return errors
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

afterEach(async () => {
  vi.unstubAllEnvs()
  await Promise.all(open.splice(0).map(({ transport }) => transport.close()))
})

describe("this machine", () => {
  test("after a stall all datagrams that wait are delivered before a wake-up that is due", async () => {
    const host = systemHost()
    const [a, b] = [await bind(), await bind(host)]
    const before: number[] = []
    const woken = new Promise<void>((resolve) => {
      const wakeUp = host.wakeUp(() => {
        before.push(b.received.length)
        resolve()
      })
      wakeUp.at(host.now() + 1)
    })
    // Many more datagrams than a turn of the loop reads.
    for (let i = 0; i < 5; i++)
      a.send(
        b.addressOf(4),
        Array.from({ length: 100 }, () => pattern(20)),
      )
    block(60)
    await woken
    expect(before).toEqual([500])
  })

  test("a wake-up that is due before the sockets were read still comes after what they held", async () => {
    const host = systemHost()
    const [a, b] = [await bind(), await bind(host)]
    const order: string[] = []
    b.transport.onReceive(() => order.push("datagram"))
    const woken = new Promise<void>((resolve) => {
      host
        .wakeUp(() => {
          order.push("wake-up")
          resolve()
        })
        .at(host.now() + 20)
    })
    // The next turn begins with the timer.
    await turn()
    a.send(b.addressOf(4), [pattern(1)])
    block(25)
    await woken
    expect(order).toEqual(["datagram", "wake-up"])
  })

  test("steady traffic doesn't hold up a wake-up that comes in time", async () => {
    const host = systemHost()
    const [a, b] = [await bind(), await bind(host)]
    let isWoken = false
    b.transport.onReceive(() => {
      if (!isWoken) a.send(b.addressOf(4), [pattern(1)])
    })
    a.send(b.addressOf(4), [pattern(1)])
    await new Promise<void>((resolve) => {
      host
        .wakeUp(() => {
          isWoken = true
          resolve()
        })
        .at(host.now() + 2)
    })
    expect(b.transport.counters.datagramsReceived).toBeGreaterThan(0)
  })

  test("an error thrown by the receive function surfaces once, and the next datagrams are delivered", async () => {
    const [a, b] = [await bind(), await bind()]
    const failure = new Error("of the application")
    const received: number[] = []
    const errors = await uncaughtDuring(async () => {
      await new Promise<void>((resolve) => {
        b.transport.onReceive((batch) => {
          received.push(batch.count)
          if (received.length === 1) throw failure
          resolve()
        })
        a.send(b.addressOf(4), [pattern(1)])
        // Each in its own turn, so that each is its own batch.
        void turn()
          .then(turn)
          .then(turn)
          .then(() => a.send(b.addressOf(4), [pattern(2)]))
      })
    })
    expect(errors).toEqual([failure])
    expect(received).toEqual([1, 1])
  })

  test("an error thrown by a wake-up or by deferred work doesn't keep others from theirs", async () => {
    const host = systemHost()
    const calls: string[] = []
    const errors = await uncaughtDuring(async () => {
      for (const name of ["a", "b"]) {
        host
          .wakeUp(() => {
            calls.push(`wake-up ${name}`)
            throw new Error(name)
          })
          .at(host.now())
        host.defer(() => {
          calls.push(`deferred ${name}`)
          throw new Error(name)
        })
      }
      await turn()
      await turn()
    })
    expect(calls).toEqual(["wake-up a", "wake-up b", "deferred a", "deferred b"])
    expect(errors).toHaveLength(4)
  })

  test("a wake-up may cancel another that is due in the same turn", async () => {
    const host = systemHost()
    const calls: string[] = []
    const second = host.wakeUp(() => calls.push("second"))
    host
      .wakeUp(() => {
        calls.push("first")
        second.at(Infinity)
      })
      .at(host.now())
    second.at(host.now())
    await turn()
    await turn()
    expect(calls).toEqual(["first"])
  })

  test("a deadline further away than a timer can wait is no deadline of now", async () => {
    const host = systemHost()
    let calls = 0
    const wakeUp = host.wakeUp(() => calls++)
    wakeUp.at(host.now() + 2 ** 40)
    await new Promise<void>((resolve) => host.wakeUp(resolve).at(host.now() + 3))
    wakeUp.at(Infinity)
    expect(calls).toBe(0)
  })

  test("a deadline sooner than a timer can be is kept as well", async () => {
    const host = systemHost()
    for (let i = 0; i < 20; i++) {
      const deadlineMs = host.now() + 0.4
      await new Promise<void>((resolve) => host.wakeUp(resolve).at(deadlineMs))
      expect(host.now()).toBeGreaterThanOrEqual(deadlineMs)
    }
  })

  test("a deadline that waits keeps neither timers nor turns of the loop busy, also when it was cancelled as it came due", async () => {
    const host = systemHost()
    const timers = vi.spyOn(globalThis, "setTimeout")
    const turns = vi.spyOn(globalThis, "setImmediate")
    const far = host.wakeUp(() => expect.unreachable())
    far.at(host.now() + 2 ** 40)
    const cancelled = host.wakeUp(() => expect.unreachable())
    await new Promise<void>((resolve) => {
      const first = host.wakeUp(() => {
        cancelled.at(Infinity)
        resolve()
      })
      first.at(host.now())
      cancelled.at(host.now())
    })
    turns.mockClear()
    for (let i = 0; i < 20; i++) await turn()
    far.at(Infinity)
    expect(turns).toHaveBeenCalledTimes(20)
    expect(Math.max(...timers.mock.calls.map(([, ms]) => ms!))).toBeLessThan(2 ** 31)
    vi.restoreAllMocks()
  })

  test.skipIf(!canBatch)(
    "with the helper (skipped without a C compiler) a deadline sets no timer of Node's, and keeps its descriptor until it is closed",
    async () => {
      const host = systemHost()
      const transport = await host.bind({ v4: "127.0.0.1", v6: false })
      const before = countDescriptors()
      const timers = vi.spyOn(globalThis, "setTimeout")
      const calls: string[] = []
      const never = host.wakeUp(() => calls.push("never"))
      let done = (): void => {}
      const wakeUp = host.wakeUp(() => {
        calls.push("rang")
        if (calls.length === 3) done()
        else wakeUp.at(host.now() + 0.2)
      })
      await new Promise<void>((resolve) => {
        done = resolve
        never.at(host.now() + 60_000)
        wakeUp.at(host.now() + 60_000)
        wakeUp.at(host.now() + 0.2)
      })
      never.at(Infinity)
      expect([calls, timers.mock.calls, countDescriptors()]).toEqual([["rang", "rang", "rang"], [], before + 2])
      for (const each of [never, wakeUp]) each.close!()
      expect(countDescriptors()).toBe(before)
      vi.restoreAllMocks()
      await transport.close()
    },
  )

  test.for(["dgram", ""])(
    "all addresses of both families are bound on one port (X_TRANSPORT=%s)",
    async (mode, { skip }) => {
      skip(noV6 !== undefined, noV6)
      vi.stubEnv("X_TRANSPORT", mode)
      const transport = await systemHost().bind({})
      expect(transport.localAddresses.map(({ host }) => host)).toEqual(["0.0.0.0", "::"])
      expect(transport.localAddresses[1]!.port).toBe(transport.localAddresses[0]!.port)
      await transport.close()
    },
  )

  test("the helper is what makes DF; without it plain dgram works, and notes say what is missing", async () => {
    const { available } = await import("@x/native")
    const native = await bind()
    expect(native.transport.capabilities.dontFragment).toBe(available)
    vi.stubEnv("X_TRANSPORT", "dgram")
    const plain = await bind()
    expect(plain.transport.capabilities).toMatchObject({
      families: noV6 === undefined ? [4, 6] : [4],
      dontFragment: false,
      batch: false,
      ecn: false,
    })
    expect(plain.transport.capabilities.notes.join()).toContain("X_TRANSPORT=dgram")
  })

  test("a helper that fails is replaced by plain dgram, with a note", async () => {
    const notes = new Set<string>()
    const broken = {
      openSocket: (): never => {
        throw new Error("no such option")
      },
      close: (): void => {},
    }
    const options = {
      family: 4,
      host: "127.0.0.1",
      port: 0,
      receiveBufferBytes: 65_536,
      sendBufferBytes: 65_536,
    } as const
    const socket = await openSocket(options, { native: broken }, notes)
    expect(socket.facts.dontFragment).toBe(false)
    expect([...notes].join()).toContain("no such option")
    await socket.close()
  })

  test("where dgram's buffer sizes are not the system's they are left alone, and the least that systems give is told", async () => {
    const asked = vi.spyOn(Socket.prototype, "setRecvBufferSize")
    const options = {
      family: 4,
      host: "127.0.0.1",
      port: 0,
      receiveBufferBytes: 4_194_304,
      sendBufferBytes: 1_048_576,
    } as const
    const runtime = runtimeOf({ ...process.versions, deno: "2.9.6" })
    const socket = await openSocket(options, { reason: "none", runtime }, new Set())
    expect(socket.facts).toEqual({ dontFragment: false, receiveBufferBytes: 65_536, sendBufferBytes: 65_536 })
    expect(asked).not.toHaveBeenCalled()
    await socket.close()
    vi.restoreAllMocks()
  })

  test("where a socket can't be told at once that the program may end, a timer keeps it alive instead, until it is told or closed", async () => {
    const kept = (kind: string): number => process.getActiveResourcesInfo().filter((name) => name === kind).length
    const before = { sockets: kept("UDPWrap"), timers: kept("Timeout") }
    const runtime = runtimeOf({ ...process.versions, deno: "2.9.6" })
    const options = {
      family: 4,
      host: "127.0.0.1",
      port: 0,
      receiveBufferBytes: 65_536,
      sendBufferBytes: 65_536,
    } as const
    const socket = await openSocket(options, { reason: "none", runtime }, new Set())
    const timers = [kept("Timeout")]
    for (const tell of [() => socket.unref(), () => socket.ref()]) {
      tell()
      timers.push(kept("Timeout"))
      expect(kept("UDPWrap")).toBe(before.sockets)
    }
    await socket.close()
    timers.push(kept("Timeout"))
    expect(timers.map((count) => count - before.timers)).toEqual([1, 0, 1, 0])
  })

  test("a descriptor that dgram doesn't take is closed again", async () => {
    const closed: number[] = []
    const odd = {
      openSocket: () => ({
        fd: openSync(fileURLToPath(import.meta.url), "r"),
        port: 1,
        dontFragment: true,
        receiveBufferBytes: 1,
        sendBufferBytes: 1,
      }),
      close: (fd: number) => {
        closeSync(fd)
        closed.push(fd)
      },
    }
    const options = {
      family: 4,
      host: "127.0.0.1",
      port: 0,
      receiveBufferBytes: 65_536,
      sendBufferBytes: 65_536,
    } as const
    const socket = await openSocket(options, { native: odd }, new Set())
    expect(closed).toHaveLength(1)
    await socket.close()
  })

  test("a port that another program has in one family only is refused as a whole", async ({ skip }) => {
    skip(noV6 !== undefined, noV6)
    const other = createSocket("udp6")
    await new Promise<void>((resolve, reject) => {
      other.once("error", reject)
      other.bind({ port: 0, address: "::1" }, resolve)
    })
    const { port } = other.address()
    await expect(systemHost().bind({ ...LOOPBACK, port })).rejects.toMatchObject({ code: "address-in-use" })
    other.close()
    // Nothing of the attempt is left on v4.
    const again = await systemHost().bind({ v4: "127.0.0.1", v6: false, port })
    await again.close()
  })

  test("an address that the machine doesn't have is refused, not left out", async () => {
    await expect(systemHost().bind({ v4: "192.0.2.1" })).rejects.toMatchObject({ code: "address-not-available" })
  })

  test("a scope that names no interface is refused wherever it is given", async () => {
    const { transport } = await bind()
    expect(() => transport.internAddress({ family: 6, host: "fe80::1%nope", port: 1 })).toThrow(
      /no interface is named "nope"/,
    )
    await expect(systemHost().resolve("fe80::1%nope")).rejects.toBeInstanceOf(TransportError)
    await expect(systemHost().bind({ v6: "fe80::1%nope" })).rejects.toMatchObject({ code: "invalid-option" })
  })

  test("a resolution is given up when it is aborted while it waits", async () => {
    const controller = new AbortController()
    const resolution = systemHost().resolve("localhost", controller.signal)
    controller.abort(new Error("enough"))
    await expect(resolution).rejects.toThrow("enough")
  })
})

test("memory that is discarded is gone from who had it, and free again at once", () => {
  const host = systemHost()
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 16; i++) {
    const bytes = new Uint8Array(16 << 20)
    host.discard!(bytes)
    expect(bytes.buffer.byteLength).toBe(0)
  }
  // Without a garbage collection.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 << 20)
})
