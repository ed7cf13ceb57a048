import { expect, test } from "vitest"
import { hostPrefix } from "../../src/path/host-prefix.ts"

test("an IPv4 address is a host, also as a socket of both families names it; of IPv6 the /64 is", () => {
  const same = (...hosts: string[]): boolean => new Set(hosts.map(hostPrefix)).size === 1
  expect(same("10.0.0.1", "::ffff:10.0.0.1")).toBe(true)
  expect(same("10.0.0.1", "10.0.0.2")).toBe(false)
  expect(same("2001:db8:0:7::1", "2001:db8:0:7:ffff:1:2:3")).toBe(true)
  expect(same("2001:db8:0:7::1", "2001:db8:0:8::1")).toBe(false)
  expect(same("::1", "::2")).toBe(true)
})
