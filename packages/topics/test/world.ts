/** Endpoints with topics on a simulated network, for tests. */
import { defineMessage, Endpoint, type EndpointOptions, type Peer, type WritingCodec } from "@x/endpoint"
import { type Feed, type SubscribeOptions, type TopicMessage, Topics, type TopicsOptions } from "@x/topics"
import { systemHost } from "@x/transport"
import { createNetwork, type LinkOptions, type Network, type SimulatedHost } from "@x/transport/simulated"

export const PORT = 4_000

const uint32: WritingCodec<number> = {
  size: () => 4,
  write: (value, { buffer, byteOffset }, offset) => new DataView(buffer, byteOffset + offset).setUint32(0, value),
  decode: ({ buffer, byteOffset }) => new DataView(buffer, byteOffset).getUint32(0),
}

/** A message that is its number. */
export const NUMBER = defineMessage(1, uint32)

/** The same, and other bytes behind it, so that it has this many. */
export function padded(bytes: number): typeof NUMBER {
  return defineMessage(1, { ...uint32, size: () => bytes })
}

export interface Party {
  readonly endpoint: Endpoint
  readonly host: SimulatedHost
  readonly topics: Topics
}

export interface World {
  readonly network: Network
  /** Binds an endpoint with topics on a new process of the machine. */
  enter(name: string, options?: EndpointOptions, topicsOptions?: TopicsOptions): Promise<Party>
  /** The peer at a machine, joined. */
  join(from: Party, name: string): Promise<Peer>
}

export function makeWorld(seed = 1, link: LinkOptions = { delayMs: 5 }): World {
  // The results of a simulated host, but faster.
  const network = createNetwork({ seed, link, crypto: systemHost().crypto })
  return {
    network,
    async enter(name, options = {}, topicsOptions = {}) {
      const host = network.host(name)
      const endpoint = await network.until(Endpoint.bind({ port: PORT, ...options, host }))
      return { endpoint, host, topics: new Topics(endpoint, topicsOptions) }
    },
    join: (from, name) => network.until(from.endpoint.join(`${name}:${PORT}`)),
  }
}

/** A publisher and a subscriber that has joined it. */
export async function makePair(
  seed?: number,
  link?: LinkOptions,
  options: EndpointOptions = {},
): Promise<World & { publisher: Party; subscriber: Party; toPublisher: Peer }> {
  const world = makeWorld(seed, link)
  const publisher = await world.enter("publisher", options)
  const subscriber = await world.enter("subscriber", options)
  const toPublisher = await world.join(subscriber, "publisher")
  return { ...world, publisher, subscriber, toPublisher }
}

/** What a reader of a feed has had. */
export interface Record {
  readonly feed: Feed
  readonly values: number[]
  readonly positions: number[]
  readonly gaps: number[]
  /** How its iteration ended: `undefined`: it goes on; `"done"`, or the code of an error. */
  how: string | undefined
}

/** Reads a feed to its end, in the background. */
export function read(feed: Feed, pause?: (record: Record) => Promise<unknown> | undefined): Record {
  const record: Record = { feed, values: [], positions: [], gaps: [], how: undefined }
  feed.on("gap", (messages) => void record.gaps.push(messages))
  void (async () => {
    try {
      for await (const { value, position } of feed.messages(NUMBER)) {
        record.values.push(value)
        record.positions.push(position)
        await pause?.(record)
      }
      record.how = "done"
    } catch (error) {
      record.how = (error as { code?: string }).code ?? String(error)
    }
  })()
  return record
}

/** Subscribes, and reads to the end in the background. */
export async function follow(
  { network }: World,
  { topics }: Party,
  peer: Peer,
  name: string,
  options?: SubscribeOptions,
): Promise<Record> {
  return read(await network.until(topics.subscribe(peer, name, options)))
}

/** The numbers from `first` to before `end`. */
export function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i)
}

/** The code that a call rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return "resolved"
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

export type { TopicMessage }
