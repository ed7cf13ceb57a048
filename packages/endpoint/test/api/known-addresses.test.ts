import type { ResolvedAddress } from "@x/transport/host"
import { expect, test } from "vitest"
import { KnownAddresses } from "../../src/api/known-addresses.ts"

const address = (n: number): ResolvedAddress => ({ family: 4, host: `10.0.0.${n}` })
const hostsOf = (known: KnownAddresses): string[] => known.all.map(({ host }) => host)

test("where the peer answered comes first, then the others that the name had, each once and eight in all", () => {
  const known = new KnownAddresses()
  expect(hostsOf(known)).toEqual([])
  known.learn(address(2), [address(1), address(2), address(3)])
  expect(hostsOf(known)).toEqual(["10.0.0.2", "10.0.0.1", "10.0.0.3"])
  // It answered where the name no longer leads; what the name had before that is forgotten.
  known.learn(address(2), [address(4)])
  expect(hostsOf(known)).toEqual(["10.0.0.2", "10.0.0.4"])
  known.learn(undefined, [address(5)])
  expect(hostsOf(known)).toEqual(["10.0.0.5"])
  known.learn(
    address(1),
    Array.from({ length: 20 }, (_, i) => address(i)),
  )
  expect([known.all.length, hostsOf(known)[0]]).toEqual([8, "10.0.0.1"])
})
