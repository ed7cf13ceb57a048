import { systemHost, withFaults } from "@x/transport"
import { createNetwork } from "@x/transport/simulated"
import { afterEach, beforeEach, describe, vi } from "vitest"
import { type ContractWorld, describeTransportContract } from "./transport-contract.ts"

const LOOPBACK = { v4: "127.0.0.1", v6: "::1" }

function systemWorld(): ContractWorld {
  return { a: systemHost(), b: systemHost(), bindOptions: LOOPBACK, knownName: "localhost", until: (promise) => promise }
}

describeTransportContract("this machine", systemWorld)

describe("X_TRANSPORT=dgram", () => {
  beforeEach(() => void vi.stubEnv("X_TRANSPORT", "dgram"))
  afterEach(() => void vi.unstubAllEnvs())
  describeTransportContract("this machine, plain dgram", systemWorld)
})

describeTransportContract("this machine under a decorator without faults", () => {
  const world = systemWorld()
  return { ...world, a: withFaults(world.a, { seed: 1 }), b: withFaults(world.b, { seed: 2 }) }
})

describeTransportContract("a simulated network", () => {
  const network = createNetwork({ seed: 1 })
  return { a: network.host("a"), b: network.host("b"), bindOptions: {}, knownName: "b", until: (promise) => network.until(promise) }
})
