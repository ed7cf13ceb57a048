/** Endpoints on a simulated network, for tests. */
import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import { systemHost } from "@x/transport"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"

export const PORT = 4_000

export interface World {
  readonly network: Network
  /** Binds an endpoint on a new process of the machine. */
  bind(name: string, options?: EndpointOptions): Promise<{ endpoint: Endpoint; host: SimulatedHost }>
}

export function makeWorld(seed: number, link: LinkOptions = { delayMs: 5 }): World {
  // The results of a simulated host, but faster.
  const network = createNetwork({ seed, link, crypto: systemHost().crypto })
  return {
    network,
    async bind(name, options = {}) {
      const host = network.host(name)
      return { endpoint: await network.until(Endpoint.bind({ port: PORT, ...options, host })), host }
    },
  }
}

/** Two endpoints, b joined by a. */
export async function makePair(
  seed: number,
  link?: LinkOptions,
  options: EndpointOptions = {},
): Promise<World & { a: Endpoint; b: Endpoint; hostA: SimulatedHost; hostB: SimulatedHost; toB: Peer }> {
  const world = makeWorld(seed, link)
  const { endpoint: a, host: hostA } = await world.bind("a", options)
  const { endpoint: b, host: hostB } = await world.bind("b", options)
  const toB = await world.network.until(a.join(`b:${PORT}`))
  await world.network.when(() => b.peers.length === 1)
  return { ...world, a, b, hostA, hostB, toB }
}

/** Bytes that depend on their position: a mixed or shifted message shows. */
export function pattern(length: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + salt) & 255
  return bytes
}

/** The names of these events of these endpoints, as they are told. */
export function eventsOf(
  endpoints: readonly Endpoint[],
  names: readonly ("joined" | "rejoined" | "restarted" | "left" | "unreachable" | "reachable")[],
): string[] {
  const events: string[] = []
  for (const endpoint of endpoints) for (const name of names) endpoint.on(name, () => events.push(name))
  return events
}

/** The same with the name that each endpoint has here before it. */
export function namedEventsOf(
  endpoints: Readonly<Record<string, Endpoint>>,
  names: Parameters<typeof eventsOf>[1],
): string[] {
  const events: string[] = []
  for (const [whose, endpoint] of Object.entries(endpoints))
    for (const name of names) endpoint.on(name, () => events.push(`${whose} ${name}`))
  return events
}
