/** Endpoints with requests on a simulated network, for tests. */
import { Endpoint, type EndpointOptions, type Peer, utf8 } from "@x/endpoint"
import { defineRequest, Rpc, type RpcOptions, stream } from "@x/rpc"
import { systemHost } from "@x/transport"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"

export const PORT = 4_000
/** The answer says what was asked. */
export const ECHO = defineRequest(17, utf8, utf8)
/** Answered in parts. */
export const TAIL = defineRequest(18, utf8, stream(utf8))

/** An endpoint that asks and answers. */
export interface Member {
  readonly endpoint: Endpoint
  readonly host: SimulatedHost
  /** Made when it is first wanted: an endpoint without one may say and hear anything in its place. */
  readonly rpc: Rpc
}

export interface World {
  readonly network: Network
  bind(name: string, options?: EndpointOptions, rpcOptions?: RpcOptions): Promise<Member>
}

export function makeWorld(seed: number, link: LinkOptions = { delayMs: 5 }): World {
  // The results of a simulated host, but faster.
  const network = createNetwork({ seed, link, crypto: systemHost().crypto })
  return {
    network,
    async bind(name, options = {}, rpcOptions = {}) {
      const host = network.host(name)
      const endpoint = await network.until(Endpoint.bind({ port: PORT, ...options, host }))
      let rpc: Rpc | undefined
      return {
        ...{ endpoint, host },
        get rpc() {
          return (rpc ??= new Rpc(endpoint, rpcOptions))
        },
      }
    },
  }
}

/** Two members, b joined by a. */
export async function makePair(
  seed: number,
  link?: LinkOptions,
  options: EndpointOptions = {},
): Promise<World & { a: Member; b: Member; toB: Peer }> {
  const world = makeWorld(seed, link)
  const a = await world.bind("a", options)
  const b = await world.bind("b", options)
  const toB = await world.network.until(a.endpoint.join(`b:${PORT}`))
  await world.network.when(() => b.endpoint.peers.length === 1)
  return { ...world, a, b, toB }
}

/** How a request ended: the answer, or code and outcome. */
export async function endOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise
  } catch (error) {
    const { code, outcome } = error as { code: string; outcome: string }
    return outcome === undefined ? error : `${code}, ${outcome}`
  }
}

/** All parts, and how they ended if not well. */
export async function partsOf(parts: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  const end = await endOf(
    (async () => {
      for await (const part of parts) all.push(part)
      return undefined
    })(),
  )
  return end === undefined ? all : [...all, end]
}

/** Nothing of any request is left, on either side. */
export function left(...members: readonly Member[]): unknown {
  return members.map(({ rpc }) => {
    const { outstanding, waitingForPeer, running, waiting, unsentAnswers, unsentAnswerBytes } = rpc.stats()
    return { outstanding, waitingForPeer, running, waiting, unsentAnswers, unsentAnswerBytes }
  })
}

export const NOTHING = {
  outstanding: 0,
  waitingForPeer: 0,
  running: 0,
  waiting: 0,
  unsentAnswers: 0,
  unsentAnswerBytes: 0,
} as const

/** What a handler waits for: a time of its endpoint. */
export function sleep({ endpoint }: Member, ms: number): Promise<void> {
  return new Promise((resolve) => {
    endpoint.alarm(resolve).at(endpoint.now() + ms)
  })
}
