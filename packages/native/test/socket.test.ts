import { once } from "node:events"
import { closeSync, openSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { close, getOption, openSocket, type OpenOptions, setOption } from "../src/index.ts"
import { countDescriptors } from "./support/descriptors.ts"
import { noHelper, titled } from "./support/skip.ts"
import { noV6 } from "../../../tools/testkit/src/loopback.ts"

const onLinux = process.platform === "linux"

/** As in open(2) on Linux; /proc shows both. */
const O_NONBLOCK = 0o4000
const O_CLOEXEC = 0o2000000

/** PROBE: see src/c/dont_fragment.c. */
const PMTUDISC_PROBE = 3

function thrownBy(fn: () => unknown): NodeJS.ErrnoException {
  try {
    fn()
  } catch (error) {
    return error as NodeJS.ErrnoException
  }
  throw new Error("nothing was thrown")
}

function systemLimit(name: "rmem_max" | "wmem_max"): number {
  return Number(readFileSync(`/proc/sys/net/core/${name}`, "utf8"))
}

describe.skipIf(noHelper !== undefined)(titled("a socket made by the helper", noHelper), () => {
  test("v4 and v6 open on one port", ({ skip }) => {
    skip(noV6 !== undefined, noV6)
    const v4 = openSocket({ family: 4, host: "0.0.0.0" })
    const v6 = openSocket({ family: 6, host: "::", port: v4.port })
    expect(v4.port).toBeGreaterThan(0)
    expect(v6.port).toBe(v4.port)
    close(v4.fd)
    close(v6.fd)
  })

  test("a v6 socket that isn't v6-only takes the port of both families", ({ skip }) => {
    skip(noV6 !== undefined, noV6)
    const dual = openSocket({ family: 6, host: "::", v6Only: false })
    expect(getOption(dual.fd, "IPPROTO_IPV6", "IPV6_V6ONLY")).toBe(0)
    expect(dual.dontFragment).toBe(true)
    expect(thrownBy(() => openSocket({ family: 4, host: "0.0.0.0", port: dual.port })).code).toBe("EADDRINUSE")
    close(dual.fd)
  })

  test.skipIf(!onLinux)("options read back as they were set", ({ skip }) => {
    skip(noV6 !== undefined, noV6)
    const bytes = Math.min(systemLimit("rmem_max"), systemLimit("wmem_max"), 100_000)
    const v4 = openSocket({ family: 4, host: "127.0.0.1", receiveBufferBytes: bytes, sendBufferBytes: bytes })
    const v6 = openSocket({ family: 6, host: "::1" })
    expect(v4).toMatchObject({ dontFragment: true, receiveBufferBytes: bytes, sendBufferBytes: bytes })
    expect(getOption(v4.fd, "SOL_SOCKET", "SO_RCVBUF")).toBe(2 * bytes)
    expect(getOption(v4.fd, "IPPROTO_IP", "IP_MTU_DISCOVER")).toBe(PMTUDISC_PROBE)
    expect(getOption(v6.fd, "IPPROTO_IPV6", "IPV6_MTU_DISCOVER")).toBe(PMTUDISC_PROBE)
    expect(getOption(v6.fd, "IPPROTO_IPV6", "IPV6_V6ONLY")).toBe(1)
    setOption(v4.fd, "IPPROTO_IP", "IP_MTU_DISCOVER", 2)
    expect(getOption(v4.fd, "IPPROTO_IP", "IP_MTU_DISCOVER")).toBe(2)
    close(v4.fd)
    close(v6.fd)
  })

  test.skipIf(!onLinux)("a v6 socket for both families doesn't fragment to mapped v4 addresses either", ({ skip }) => {
    skip(noV6 !== undefined, noV6)
    const { fd } = openSocket({ family: 6, host: "::", v6Only: false })
    expect(getOption(fd, "IPPROTO_IPV6", "IPV6_MTU_DISCOVER")).toBe(PMTUDISC_PROBE)
    expect(getOption(fd, "IPPROTO_IP", "IP_MTU_DISCOVER")).toBe(PMTUDISC_PROBE)
    close(fd)
  })

  test.skipIf(!onLinux)(
    "a buffer over the system's limit is granted up to it, and the result shows the shortfall",
    () => {
      const asked = 2 ** 30 - 1
      const socket = openSocket({ family: 4, host: "127.0.0.1", receiveBufferBytes: asked })
      expect(socket.receiveBufferBytes).toBe(Math.min(asked, systemLimit("rmem_max")))
      close(socket.fd)
    },
  )

  test("without dontFragment the system's default stays, and the result says so", () => {
    const { fd, dontFragment } = openSocket({ family: 4, host: "127.0.0.1", dontFragment: false })
    expect(dontFragment).toBe(false)
    close(fd)
  })

  test.skipIf(!onLinux)("it is non-blocking and closed in child processes", () => {
    const { fd } = openSocket({ family: 4, host: "127.0.0.1" })
    const flags = Number.parseInt(/flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "", 8)
    expect(flags & O_NONBLOCK).toBe(O_NONBLOCK)
    expect(flags & O_CLOEXEC).toBe(O_CLOEXEC)
    close(fd)
  })

  test("a port in use gives EADDRINUSE with the call and the address, and leaves nothing open", () => {
    const first = openSocket({ family: 4, host: "127.0.0.1" })
    const before = countDescriptors()
    const error = thrownBy(() => openSocket({ family: 4, host: "127.0.0.1", port: first.port }))
    expect(error).toMatchObject({
      code: "EADDRINUSE",
      syscall: "bind",
      message: `bind EADDRINUSE 127.0.0.1:${first.port}`,
    })
    expect(error.errno).toBeLessThan(0)
    expect(countDescriptors()).toBe(before)
    close(first.fd)
  })

  test("an address of another machine gives EADDRNOTAVAIL", () => {
    expect(thrownBy(() => openSocket({ family: 4, host: "192.0.2.1" })).code).toBe("EADDRNOTAVAIL")
  })

  test("a closed descriptor gives EBADF", () => {
    const { fd } = openSocket({ family: 4, host: "127.0.0.1" })
    close(fd)
    expect(thrownBy(() => close(fd))).toMatchObject({ code: "EBADF", syscall: "close" })
    expect(thrownBy(() => getOption(fd, "SOL_SOCKET", "SO_RCVBUF"))).toMatchObject({
      code: "EBADF",
      syscall: "getsockopt",
    })
  })

  test("what is no UDP socket is not closed", async () => {
    const file = openSync(process.execPath, "r")
    expect(thrownBy(() => close(file)).code).toBe("ENOTSOCK")
    closeSync(file)
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle
    expect(thrownBy(() => close(fd)).code).toBe("EPROTOTYPE")
    expect(getOption(fd, "SOL_SOCKET", "SO_RCVBUF")).toBeGreaterThan(0)
    server.close()
    await once(server, "close")
  })

  test.skipIf(!onLinux)("an option that this platform lacks gives ENOPROTOOPT", () => {
    const { fd } = openSocket({ family: 4, host: "127.0.0.1" })
    expect(thrownBy(() => setOption(fd, "IPPROTO_IP", "IP_DONTFRAG", 1))).toMatchObject({
      code: "ENOPROTOOPT",
      syscall: "setsockopt",
    })
    close(fd)
  })

  test("an option that isn't in the list is refused by name", () => {
    const { fd } = openSocket({ family: 4, host: "127.0.0.1" })
    expect(() => getOption(fd, "SOL_SOCKET", "SO_LINGER" as "SO_RCVBUF")).toThrow(RangeError)
    expect(() => getOption(fd, "IPPROTO_IP", "SO_RCVBUF" as "IP_DONTFRAG")).toThrow(RangeError)
    close(fd)
  })
})

describe.skipIf(noHelper !== undefined)(titled("wrong arguments throw and leave nothing open", noHelper), () => {
  const good: OpenOptions = { family: 4, host: "127.0.0.1" }
  const wrong: [string, object, string][] = [
    ["a host that is no address", { host: "localhost" }, "RangeError"],
    ["a short form that only some systems read", { host: "127.1" }, "RangeError"],
    ["an address of the other family", { host: "::1" }, "RangeError"],
    ["a zero byte in the host", { host: "127.0.0.1\0" }, "RangeError"],
    ["a very long host", { host: "1".repeat(10_000) }, "RangeError"],
    ["an empty host", { host: "" }, "RangeError"],
    ["an unknown interface", { family: 6, host: "fe80::1%no-such-one" }, "RangeError"],
    ["an empty scope", { family: 6, host: "fe80::1%" }, "RangeError"],
    ["scope 0", { family: 6, host: "fe80::1%0" }, "RangeError"],
    ["port 70000", { port: 70_000 }, "RangeError"],
    ["port -1", { port: -1 }, "RangeError"],
    ["port 2^32, which is 0 in 32 bits", { port: 2 ** 32 }, "RangeError"],
    ["port NaN", { port: Number.NaN }, "RangeError"],
    ["half a port", { port: 0.5 }, "RangeError"],
    ["a port in text", { port: "4000" }, "TypeError"],
    ["a negative receive buffer", { receiveBufferBytes: -1 }, "RangeError"],
    ["a negative send buffer", { sendBufferBytes: -4096 }, "RangeError"],
    ["a buffer of 2 GiB", { sendBufferBytes: 2 ** 31 }, "RangeError"],
    ["family 5", { family: 5 }, "RangeError"],
    ["no family", { family: undefined }, "TypeError"],
    ["a switch that is a number", { dontFragment: 1 }, "TypeError"],
  ]

  test.each(wrong)("%s", (_, change, kind) => {
    const before = countDescriptors()
    const error = thrownBy(() => openSocket({ ...good, ...change }))
    expect(error.name).toBe(kind)
    expect(error.code).toMatch(/^ERR_INVALID_ARG_/)
    expect(countDescriptors()).toBe(before)
  })

  test("whatever the arguments, a socket is returned or an Error thrown, and no descriptor is lost", () => {
    const oneOf = (...values: unknown[]) => fc.oneof(fc.constantFrom(...values), fc.anything())
    const options = fc.record({
      family: oneOf(4, 6),
      host: oneOf("127.0.0.1", "::1", "::", "0.0.0.0", "192.0.2.1", "fe80::1%lo", "::1%1"),
      port: oneOf(0, 65_535, 65_536, -1),
      v6Only: oneOf(true, false),
      dontFragment: oneOf(true, false),
      receiveBufferBytes: oneOf(0, 1, 2 ** 30 - 1, 2 ** 30, -1),
      sendBufferBytes: oneOf(0, 1, 2 ** 30 - 1, 2 ** 30, -1),
    })
    const before = countDescriptors()
    fc.assert(
      fc.property(options, (request) => {
        try {
          close(openSocket(request as unknown as OpenOptions).fd)
        } catch (error) {
          expect(error).toHaveProperty("code")
        }
        expect(countDescriptors()).toBe(before)
      }),
    )
  })
})
