import type { Host, Transport } from "@x/transport/host"
import { expect, test } from "vitest"
import { bindOptionsOf, bindTransport } from "../../src/api/binding.ts"

test("sockets are on loopback unless there are secrets or checksums were asked for by name", () => {
  expect(bindOptionsOf({})).toEqual({ v4: "127.0.0.1", v6: "::1" })
  expect(bindOptionsOf({ protection: "none", port: 7 })).toEqual({ v4: "127.0.0.1", v6: "::1", port: 7 })
  expect(bindOptionsOf({ v6: false })).toEqual({ v4: "127.0.0.1", v6: false })
  expect(bindOptionsOf({ protection: "checksum" })).toEqual({})
  expect(bindOptionsOf({ secrets: ["0123456789abcdef"], v4: "192.0.2.1" })).toEqual({ v4: "192.0.2.1" })
})

test("an address that others can reach isn't bound without that, in either family", () => {
  for (const options of [{ v4: "192.0.2.1" }, { v6: "2001:db8::1" }])
    expect(() => bindOptionsOf(options)).toThrow("must be a loopback address")
  expect(bindOptionsOf({ v4: "127.0.0.9" })).toMatchObject({ v4: "127.0.0.9" })
  // What is no address at all is for the transport to refuse.
  expect(bindOptionsOf({ v4: "localhost" })).toMatchObject({ v4: "localhost" })
})

/** A host whose sockets come, or don't, when the test says so. */
function hostWith(bind: () => Promise<Transport>): Host {
  return { bind } as unknown as Host
}

test("an abort takes effect at once, and a socket that comes later is closed", async () => {
  let resolve!: (transport: Transport) => void
  const promise = new Promise<Transport>((settle) => (resolve = settle))
  const abort = new AbortController()
  const bound = bindTransport(
    hostWith(() => promise),
    {},
    abort.signal,
  )
  abort.abort()
  await expect(bound).rejects.toMatchObject({ code: "aborted" })
  let isClosed = false
  resolve({ close: async () => void (isClosed = true) } as unknown as Transport)
  await promise
  await Promise.resolve()
  expect(isClosed).toBe(true)
})

test("whatever a host throws or rejects with, the error says that no socket could be bound", async () => {
  const thrown = hostWith(() => {
    throw new Error("no")
  })
  const rejected = hostWith(() => Promise.reject(new Error("no")))
  for (const host of [thrown, rejected])
    await expect(bindTransport(host, {}, undefined)).rejects.toMatchObject({ code: "bind-failed" })
})
