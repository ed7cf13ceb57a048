import { createSocket } from "node:dgram"
import { available, reason } from "@x/native"
import { type Host, systemHost, withFaults } from "@x/transport"
import { createNetwork, type SimulatedHost } from "@x/transport/simulated"
import { afterEach, beforeEach, describe, vi } from "vitest"
import { type ContractWorld, describeTransportContract } from "./transport-contract.ts"

const LOOPBACK = { v4: "127.0.0.1", v6: "::1" }
/**
 * The loopback's MTU of 65,536 less the headers. With DF nothing longer gets through; without it even the longest
 * datagram does, in fragments.
 */
const LOOPBACK_V6_BYTES_MAX = 65_488
const noLoopback = (await cannotBind("udp4", "127.0.0.1")) ?? (await cannotBind("udp6", "::1"))
const noHelper = available ? undefined : `no native helper: ${reason}`

describeTransportContract("this machine", systemWorld, noLoopback ?? noHelper)

describe("X_TRANSPORT=dgram", () => {
  beforeEach(() => void vi.stubEnv("X_TRANSPORT", "dgram"))
  afterEach(() => void vi.unstubAllEnvs())
  describeTransportContract(
    "this machine, plain dgram",
    () => ({ ...systemWorld(), datagramBytesMax: { 4: 65_507, 6: 65_507 } }),
    noLoopback,
  )
})

describeTransportContract(
  "this machine under a decorator without faults",
  () => {
    const world = systemWorld()
    return { ...world, a: withFaults(world.a, { seed: 1 }), b: withFaults(world.b, { seed: 2 }) }
  },
  noLoopback,
)

describeTransportContract("a simulated network", () => {
  const network = createNetwork({ seed: 1, link: { mtuBytes: Infinity } })
  const errors: unknown[] = []
  return {
    a: network.host("a"),
    b: network.host("b"),
    bindOptions: {},
    knownName: "b",
    async until(promise) {
      const state = { isSettled: false }
      const settled = (): void => void (state.isSettled = true)
      promise.then(settled, settled)
      // An error that surfaces here ends a call that lets time pass, but not the network.
      while (!state.isSettled)
        await network
          .when(() => state.isSettled)
          .catch((error: unknown) => {
            if ((error as Error).message.includes("within")) throw error
            errors.push(error)
          })
      return promise
    },
    stall: (host, ms) => (host as SimulatedHost).stall(ms),
    datagramBytesMax: { 4: 65_507, 6: 65_507 },
    async surfaced(body) {
      await body()
      return errors
    },
  }
})

function systemWorld(): ContractWorld {
  return {
    a: systemHost(),
    b: systemHost(),
    bindOptions: LOOPBACK,
    knownName: "localhost",
    until: (promise) => promise,
    stall(host: Host, ms) {
      const untilMs = host.now() + ms
      while (host.now() < untilMs);
    },
    datagramBytesMax: { 4: 65_507, 6: noHelper === undefined ? LOOPBACK_V6_BYTES_MAX : 65_507 },
    async surfaced(body) {
      const errors: unknown[] = []
      const listeners = process.listeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      process.on("uncaughtException", (error) => errors.push(error))
      try {
        await body()
      } finally {
        process.removeAllListeners("uncaughtException")
        for (const listener of listeners) process.on("uncaughtException", listener)
      }
      return errors
    },
  }
}

function cannotBind(type: "udp4" | "udp6", address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(type)
    socket.once("error", (error) => resolve(`there is no loopback ${address}: ${error.message}`))
    socket.bind(0, address, () => socket.close(() => resolve(undefined)))
  })
}
