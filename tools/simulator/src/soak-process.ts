/**
 * One of the two processes of a soak: many streams of all modes to the other, over real sockets that lose datagrams,
 * opened and ended all the time. Checks each message that comes, and reports to the parent what it holds.
 */

import { Endpoint, type IncomingStream, type OutgoingStream, type Peer } from "@x/endpoint"
import { systemHost, withFaults } from "@x/transport"
import { HEADER_BYTES, isContent, makeContent, read32 } from "./content.ts"
import { deliveriesDrawn, Draw, insideOf } from "@x/testkit"
import { traitsNamed } from "@x/wire"

export interface SoakOptions {
  readonly seed: number
  readonly streams: number
  readonly lossRate: number
  /** The other process's port, for the process that joins. */
  readonly port?: number | undefined
}

/** What a process holds, and what it has done. */
export interface SoakSample {
  readonly kind: "sample"
  readonly rssBytes: number
  /** After a garbage collection. */
  readonly heapBytes: number
  readonly buffersBytes: number
  readonly sent: number
  readonly received: number
  readonly streamsOpened: number
  readonly datagrams: number
  readonly faultsLost: number
  /** Messages on reliable streams: those accepted, and those that came. */
  readonly promised: number
  readonly kept: number
  readonly errors: readonly string[]
  readonly sizes: Readonly<Record<string, number>>
}

export type SoakOrder =
  | { readonly kind: "start"; readonly options: SoakOptions }
  | { readonly kind: "sample" }
  | { readonly kind: "finish" }
export type SoakAnswer =
  | SoakSample
  | { readonly kind: "bound"; readonly port: number }
  | { readonly kind: "finished"; readonly unsettled: number }

const TICK_MS = 20
const DELIVERIES = deliveriesDrawn(2)
const TYPE = 1
/** Average number of messages of a stream before it ends and another begins. */
const MESSAGES_PER_STREAM = 500

class Soak {
  readonly #endpoint: Endpoint
  readonly #options: SoakOptions
  readonly #draw: Draw
  readonly #host: ReturnType<typeof withFaults>
  readonly #streams: { readonly stream: OutgoingStream; readonly key: number; index: number }[] = []
  /** For each incoming stream: the next index, or the indices that came if there is no order. */
  readonly #incoming = new Map<IncomingStream, { next: number; readonly seen: Set<number> }>()
  readonly #errors: string[] = []
  #timer: NodeJS.Timeout | undefined
  #sent = 0
  #received = 0
  #opened = 0
  #unsettled = 0
  #promised = 0
  #kept = 0

  static async start(options: SoakOptions): Promise<Soak> {
    const host = withFaults(systemHost(), { seed: options.seed, lossRate: options.lossRate })
    return new Soak(await Endpoint.bind({ host, v4: "127.0.0.1", v6: false }), options, host)
  }

  private constructor(endpoint: Endpoint, options: SoakOptions, host: ReturnType<typeof withFaults>) {
    this.#endpoint = endpoint
    this.#options = options
    this.#host = host
    this.#draw = new Draw(options.seed, "soak")
    endpoint.on("error", (error) => this.#errors.push(error.message))
    endpoint.on("left", (peer, { text }) => this.#errors.push(`${peer.unique} left ${text}`))
    endpoint.on("joined", (peer) => this.#run(peer))
    endpoint.on("stream", (stream) => void stream.closed.then(() => this.#incoming.delete(stream)))
    endpoint.handle(TYPE, ({ stream, bytes }) => this.#take(stream, bytes))
    if (options.port !== undefined) void endpoint.join(`127.0.0.1:${options.port}`, { timeoutMs: 30_000 })
  }

  get port(): number {
    return this.#endpoint.port
  }

  #run(peer: Peer): void {
    this.#timer = setInterval(() => {
      while (this.#streams.length < this.#options.streams) this.#open(peer)
      for (let i = 0; i < this.#streams.length; i += 1 + this.#draw.whole(0, 3)) this.#send(i)
    }, TICK_MS)
  }

  #open(peer: Peer): void {
    const key = ++this.#opened
    const delivery = this.#draw.pick(DELIVERIES)
    this.#streams.push({ stream: peer.open({ delivery, label: `s${key}` }), key, index: 0 })
  }

  #send(at: number): void {
    const it = this.#streams[at]!
    const { stream, key, index } = it
    const bytes = this.#draw.weighted([
      [90, this.#draw.whole(HEADER_BYTES, 200)],
      [9, this.#draw.whole(200, 4_000)],
      [0.9, this.#draw.whole(4_000, 60_000)],
      [0.1, this.#draw.whole(60_000, 1_000_000)],
    ])
    const result = stream.trySend(TYPE, makeContent(Math.min(bytes, stream.messageBytesMax), key, index))
    if (result === "sent" || result === "parked") {
      this.#sent++
      it.index++
      if (traitsNamed(stream.delivery).waits) this.#promised++
    }
    if (this.#draw.whole(1, MESSAGES_PER_STREAM) === 1) this.#end(at)
  }

  #end(at: number): void {
    const [it] = this.#streams.splice(at, 1, this.#streams.at(-1)!)
    this.#streams.pop()
    this.#unsettled++
    it!.stream.end().then(
      () => this.#unsettled--,
      (error: unknown) => this.#errors.push(`end: ${String(error)}`),
    )
  }

  #take(stream: IncomingStream, bytes: Uint8Array): void {
    this.#received++
    const [key, index] = [read32(bytes, 0), read32(bytes, 4)]
    if (!isContent(bytes, 0, bytes.length, key, index))
      return this.#fail(`${stream.label}: message ${index} of ${bytes.length} B is altered`)
    const it = this.#incoming.get(stream) ?? { next: 0, seen: new Set<number>() }
    this.#incoming.set(stream, it)
    const { isOrdered, waits } = traitsNamed(stream.delivery)
    if (waits) this.#kept++
    if (isOrdered && waits && index !== it.next) this.#fail(`${stream.label}: message ${index} instead of ${it.next}`)
    if (isOrdered && !waits && index < it.next) this.#fail(`${stream.label}: message ${index} after ${it.next - 1}`)
    if (!isOrdered) {
      if (it.seen.has(index)) this.#fail(`${stream.label}: message ${index} twice`)
      it.seen.add(index)
    }
    it.next = Math.max(it.next, index + 1)
  }

  #fail(text: string): void {
    if (this.#errors.length < 10) this.#errors.push(text)
  }

  sample(): SoakSample {
    globalThis.gc?.()
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    const { transport } = this.#endpoint.stats()
    const { sendLost, receiveLost } = this.#host.faults
    return {
      kind: "sample",
      rssBytes: rss,
      heapBytes: heapUsed,
      buffersBytes: arrayBuffers,
      sent: this.#sent,
      received: this.#received,
      streamsOpened: this.#opened,
      datagrams: transport.datagramsSent,
      faultsLost: sendLost + receiveLost,
      promised: this.#promised,
      kept: this.#kept,
      errors: this.#errors,
      sizes: insideOf(this.#endpoint).sizes,
    }
  }

  /** Ends all streams; settles when everything was delivered, or after a minute. Returns how many streams were not. */
  async finish(): Promise<SoakAnswer> {
    clearInterval(this.#timer)
    while (this.#streams.length > 0) this.#end(this.#streams.length - 1)
    for (let i = 0; i < 600 && this.#unsettled > 0; i++) await new Promise((resolve) => setTimeout(resolve, 100))
    return { kind: "finished", unsettled: this.#unsettled }
  }

  close(): Promise<void> {
    return this.#endpoint.close()
  }
}

let soak: Soak | undefined
const say = (answer: SoakAnswer): void => void process.send!(answer)

async function obey(order: SoakOrder): Promise<void> {
  if (order.kind === "start") {
    soak = await Soak.start(order.options)
    say({ kind: "bound", port: soak.port })
  } else if (order.kind === "sample") {
    say(soak!.sample())
  } else {
    say(await soak!.finish())
  }
}

process.on("message", (order: SoakOrder) => void obey(order))
process.on("disconnect", () => void soak?.close())
