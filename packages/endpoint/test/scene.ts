/** An endpoint, and a peer that sends whatever a test wants. */
import { Endpoint, type EndpointOptions } from "@x/endpoint"
import { createNetwork, type Network } from "@x/transport/simulated"
import * as wire from "@x/wire"
import { EvilPeer } from "./evil-peer.ts"

export interface Scene {
  readonly network: Network
  readonly endpoint: Endpoint
  readonly evil: EvilPeer
  readonly delivered: number[]
}

export async function makeScene(options: EndpointOptions = {}): Promise<Scene> {
  const network = createNetwork({ seed: 1, link: { delayMs: 1 } })
  const endpoint = await network.until(
    Endpoint.bind({ host: network.host("b"), port: 1, protection: "none", ...options }),
  )
  const delivered: number[] = []
  endpoint.handle(1, ({ view, offset }) => delivered.push(view.getUint8(offset)))
  const evil = await EvilPeer.bind(network, "evil", endpoint.addresses[0]!)
  return { network, endpoint, evil, delivered }
}

/** What was dropped while a function ran. */
export async function dropsOf({ network, endpoint }: Scene, run: () => void): Promise<Record<string, number>> {
  const before = endpoint.stats().drops
  run()
  await network.advance(20)
  endpoint.assertInvariants()
  const after = endpoint.stats().drops
  return Object.fromEntries(
    wire.DROP_REASONS.map((reason) => [reason, after[reason] - before[reason]] as const).filter(
      ([, count]) => count > 0,
    ),
  )
}
