// What the driver asks of its host. Whether a process then ends is seen in `unref.test.ts`.
import { Endpoint } from "@x/endpoint"
import type { Host } from "@x/transport/host"
import { createNetwork } from "@x/transport/simulated"
import { expect, test } from "vitest"
import { hostWith } from "./host-with.ts"

/** A host that records which of its parts may let the program end. */
function watched(host: Host, told: string[]): Host {
  const telling = <T extends object>(part: T, name: string): T =>
    Object.assign(part, { ref: () => void told.push(`${name} ref`), unref: () => void told.push(`${name} unref`) })
  return hostWith(host, {
    wakeUp: (wake) => telling(host.wakeUp(wake), "wake-up"),
    bind: async (options) => telling(await host.bind(options), "sockets"),
  })
}

test("whether the program may end is said of all that keeps it: the sockets and the wake-up", async () => {
  const network = createNetwork({ seed: 1 })
  const told: string[] = []
  const endpoint = await network.until(Endpoint.bind({ host: watched(network.host("a"), told) }))
  told.length = 0
  endpoint.unref()
  expect(told.splice(0).toSorted()).toEqual(["sockets unref", "wake-up unref"])
  endpoint.ref()
  expect(told.splice(0).toSorted()).toEqual(["sockets ref", "wake-up ref"])
})
