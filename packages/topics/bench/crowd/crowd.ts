/** A hundred subscribers in another process, over loopback, and the publisher in this one. */

import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { Endpoint, type EndpointOptions, type Peer } from "@x/endpoint"
import { type Topic, type TopicOptions, Topics } from "@x/topics"

export const SUBSCRIBERS = 100
export const TYPE = 1

/** How both ends are bound. */
export interface Ends {
  readonly protection: "checksum" | "aead"
  /** The largest datagrams; default: what the path carries, over loopback 65,507 B. */
  readonly datagramBytes?: number
}

const TOPIC_TYPE = 65_281
/** As on most networks: over loopback they could be of 64 KiB. */
export const DATAGRAM_BYTES = 1_400
const SECRET = "0123456789abcdef0123456789abcdef"

function optionsOf({ protection, ...size }: Ends): EndpointOptions {
  const common: EndpointOptions = { v4: "127.0.0.1", v6: false, peersMax: 256, ...size }
  return protection === "checksum" ? common : { ...common, protection, secrets: [new TextEncoder().encode(SECRET)] }
}

/** What the other process does: subscribes, and says how much has come when it is asked. */
export async function subscribe(to: number, ends: Ends): Promise<void> {
  let received = 0
  for (let i = 0; i < SUBSCRIBERS; i++) {
    const endpoint = await Endpoint.bind(optionsOf(ends))
    endpoint.handle(TYPE, () => void received++)
    // The messages of the topic, without a reader's promise for each: the publisher is what is measured.
    endpoint.on("stream", (stream) => void stream.handle(TOPIC_TYPE, () => void received++))
    const peer = await endpoint.join(`127.0.0.1:${to}`)
    await new Topics(endpoint).subscribe(peer, "t")
  }
  // It ends with the publisher, also where that is killed.
  process.on("disconnect", () => process.exit())
  process.on("message", () => process.send!(received))
  process.send!("ready")
}

export class Crowd {
  readonly endpoint: Endpoint
  readonly topic: Topic
  /** The publisher's peers, a subscriber each. */
  readonly peers: readonly Peer[]
  readonly #child: ChildProcess

  private constructor(endpoint: Endpoint, topic: Topic, peers: readonly Peer[], child: ChildProcess) {
    this.endpoint = endpoint
    this.topic = topic
    this.peers = peers
    this.#child = child
  }

  /** `script`: calls {@link subscribe} with the arguments `subscribers`, the port, and the ends as JSON. */
  static async start(script: string, ends: Ends, options: TopicOptions): Promise<Crowd> {
    const endpoint = await Endpoint.bind(optionsOf(ends))
    const topic = new Topics(endpoint).topic("t", { subscribersMax: SUBSCRIBERS, ...options })
    const peers: Peer[] = []
    endpoint.on("joined", (peer) => void peers.push(peer))
    const child = fork(script, ["subscribers", String(endpoint.port), JSON.stringify(ends)], {
      execArgv: process.execArgv,
    })
    await once(child, "message")
    return new Crowd(endpoint, topic, peers, child)
  }

  /** How many messages have come to all subscribers together. */
  async received(): Promise<number> {
    this.#child.send("how many?")
    const [count] = (await once(this.#child, "message")) as [number]
    return count
  }

  async end(): Promise<void> {
    this.#child.kill()
    await this.endpoint.close()
  }
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

export function range(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  return `${median(values).toFixed(3)} (${sorted[0]!.toFixed(3)} to ${sorted.at(-1)!.toFixed(3)})`
}
